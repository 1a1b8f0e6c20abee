// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// A deployment hands its annotations down to its replica sets, so they count for
// its generation. Its labels are not its controller's to change.
var deploymentHooks = Hooks{
	Counts: func(obj, old runtime.Object) bool {
		return !equality.Semantic.DeepEqual(obj.(*appsv1.Deployment).Annotations, old.(*appsv1.Deployment).Annotations)
	},
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, d, old *appsv1.Deployment) {
		d.Labels = old.Labels
	}),
}

// An annotation of daemon sets counts the changes of their templates.
var daemonSetHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, d *appsv1.DaemonSet) {
		setTemplateGeneration(d, max(templateGeneration(d), 1))
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, d, old *appsv1.DaemonSet) {
		generation := templateGeneration(old)
		if !equality.Semantic.DeepEqual(d.Spec.Template, old.Spec.Template) {
			generation++
		}
		setTemplateGeneration(d, generation)
	}),
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, d, old *appsv1.DaemonSet) {
		setTemplateGeneration(d, templateGeneration(old))
	}),
}

// templateGeneration reads the count. What is no number counts as none.
func templateGeneration(d *appsv1.DaemonSet) int64 {
	n, err := strconv.ParseInt(d.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func setTemplateGeneration(d *appsv1.DaemonSet, n int64) {
	count := strconv.FormatInt(n, 10)
	if d.Annotations[appsv1.DeprecatedTemplateGeneration] != count {
		d.Annotations = merged(d.Annotations, map[string]string{appsv1.DeprecatedTemplateGeneration: count})
	}
}

// A job knows its pods by its uid, unless its creator chose a selector.
var jobHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, j *batchv1.Job) {
		if j.Spec.ManualSelector != nil && *j.Spec.ManualSelector {
			return
		}
		// Labels already there are left for validation to judge.
		labels := map[string]string{
			"job-name":                 j.Name,
			batchv1.JobNameLabel:       j.Name,
			"controller-uid":           string(j.UID),
			batchv1.ControllerUidLabel: string(j.UID),
		}
		maps.Copy(labels, j.Spec.Template.Labels)
		j.Spec.Template.Labels = labels
		if j.Spec.Selector == nil {
			j.Spec.Selector = &metav1.LabelSelector{}
		}
		selected := map[string]string{batchv1.ControllerUidLabel: string(j.UID)}
		maps.Copy(selected, j.Spec.Selector.MatchLabels)
		j.Spec.Selector.MatchLabels = selected
	}),
}
