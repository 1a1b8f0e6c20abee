// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
)

const runtimeClassName = "RuntimeClass"

// runtimeClasses gives pods the overhead of their runtime, and sends them to where
// it is.
type runtimeClasses struct {
	*admission.Handler
	objects Objects
}

var (
	_ admission.MutationInterface   = &runtimeClasses{}
	_ admission.ValidationInterface = &runtimeClasses{}
)

var errOverhead = errors.New("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

// Admit sets overhead, node selector and tolerations.
func (r *runtimeClasses) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, class, err := r.classOf(ctx, a)
	if err != nil || class == nil {
		return err
	}
	if o := class.Overhead; o != nil {
		if len(pod.Spec.Overhead) > 0 && !equality.Semantic.DeepEqual(o.PodFixed, pod.Spec.Overhead) {
			return admission.NewForbidden(a, errOverhead)
		}
		pod.Spec.Overhead = o.PodFixed.DeepCopy()
	}
	if class.Scheduling == nil {
		return nil
	}
	selector := maps.Clone(pod.Spec.NodeSelector)
	for key, value := range class.Scheduling.NodeSelector {
		if given, ok := selector[key]; ok && given != value {
			return admission.NewForbidden(a, fmt.Errorf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s", key, value, key, given))
		}
		if selector == nil {
			selector = map[string]string{}
		}
		selector[key] = value
	}
	pod.Spec.NodeSelector = selector
	pod.Spec.Tolerations = mergeTolerations(pod.Spec.Tolerations, class.Scheduling.Tolerations)
	return nil
}

// Validate refuses an overhead that is not the runtime's.
func (r *runtimeClasses) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, class, err := r.classOf(ctx, a)
	switch {
	case err != nil || pod == nil:
		return err
	case class != nil && class.Overhead != nil:
		if !equality.Semantic.DeepEqual(class.Overhead.PodFixed, pod.Spec.Overhead) {
			return admission.NewForbidden(a, errOverhead)
		}
	case pod.Spec.Overhead != nil:
		return admission.NewForbidden(a, errors.New("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"))
	}
	return nil
}

// classOf returns the pod and its class. Either may be nil.
func (r *runtimeClasses) classOf(ctx context.Context, a admission.Attributes) (*corev1.Pod, *nodev1.RuntimeClass, error) {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || !isOf(a, corev1.Resource("pods")) {
		return nil, nil, nil
	}
	if pod.Spec.RuntimeClassName == nil {
		return pod, nil, nil
	}
	class, err := r.objects.runtimeClass(ctx, *pod.Spec.RuntimeClassName)
	if apierrors.IsNotFound(err) {
		err = admission.NewForbidden(a, fmt.Errorf("pod rejected: RuntimeClass %q not found", *pod.Spec.RuntimeClassName))
	}
	if err != nil {
		return nil, nil, err
	}
	return pod, class, nil
}

// mergeTolerations returns those of both lists, without any that another covers.
func mergeTolerations(lists ...[]corev1.Toleration) []corev1.Toleration {
	var all, merged []corev1.Toleration
	for _, list := range lists {
		all = append(all, list...)
	}
	for i, t := range all {
		covered := false
		for j := range all {
			// Of two that are the same, the first stays.
			if j != i && covers(all[j], t) && (j < i || !covers(t, all[j])) {
				covered = true
				break
			}
		}
		if !covered {
			merged = append(merged, t)
		}
	}
	return merged
}

// covers says whether one toleration tolerates all that another does.
func covers(wide, narrow corev1.Toleration) bool {
	if equality.Semantic.DeepEqual(wide, narrow) {
		return true
	}
	all := wide.Key == "" && wide.Operator == corev1.TolerationOpExists
	if wide.Key != narrow.Key && !all {
		return false
	}
	if wide.Effect != narrow.Effect && wide.Effect != "" {
		return false
	}
	if wide.Effect == corev1.TaintEffectNoExecute && !tolerateLonger(wide.TolerationSeconds, narrow.TolerationSeconds) {
		return false
	}
	switch wide.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return (narrow.Operator == corev1.TolerationOpEqual || narrow.Operator == "") && wide.Value == narrow.Value
	default:
		return false
	}
}

// tolerateLonger compares times, of which nil is for ever.
func tolerateLonger(wide, narrow *int64) bool {
	return wide == nil || narrow != nil && max(*wide, 0) >= max(*narrow, 0)
}
