// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/poolattributes"
)

// desired returns what a pool gives to its nodes, and a description of
// everything in its spec that cannot be given.
func desired(pool *appsv1beta2.NodePool) (want Set, refused []string) {
	want = Set{Labels: map[string]string{}, Annotations: map[string]string{}, Pool: pool.Name}
	for key, value := range pool.Spec.Labels {
		if _, no := poolattributes.LabelRefused(key); no || invalidLabel(key, value) {
			refused = append(refused, "label "+key)
			continue
		}
		want.Labels[key] = value
	}
	if pool.Spec.HostNetwork {
		want.Labels[poolattributes.LabelHostNetwork] = "true"
	}
	for key, value := range pool.Spec.Annotations {
		if _, no := poolattributes.AnnotationRefused(key); no || len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
			refused = append(refused, "annotation "+key)
			continue
		}
		want.Annotations[key] = value
	}
	for i := range pool.Spec.Taints {
		taint := corev1.Taint{Key: pool.Spec.Taints[i].Key, Value: pool.Spec.Taints[i].Value, Effect: pool.Spec.Taints[i].Effect}
		if refusedTaint(&taint) || hasSlot(want.Taints, &taint) {
			refused = append(refused, "taint "+taintString(&taint))
			continue
		}
		want.Taints = append(want.Taints, taint)
	}
	slices.Sort(refused)
	return want, refused
}

// invalidLabel guards against pools of a server that does not validate them:
// one wrong label would make every write to every node of the pool fail.
func invalidLabel(key, value string) bool {
	return len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0
}

func refusedTaint(t *corev1.Taint) bool {
	if _, no := poolattributes.TaintRefused(t.Key); no || invalidLabel(t.Key, t.Value) {
		return true
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		return false
	}
	return true
}

// honoured returns what a record can truly say. What no pool may give has not
// been given by one: an entry for it is a mistake, or was written by somebody
// who has no right to take the thing away and would have it done by us.
func honoured(record Set) Set {
	maps.DeleteFunc(record.Labels, func(key, _ string) bool {
		_, no := poolattributes.LabelRefused(key)
		return no && key != poolattributes.LabelHostNetwork // which comes from a field of the pool
	})
	maps.DeleteFunc(record.Annotations, func(key, _ string) bool {
		_, no := poolattributes.AnnotationRefused(key)
		return no
	})
	record.Taints = slices.DeleteFunc(record.Taints, func(t corev1.Taint) bool {
		_, no := poolattributes.TaintRefused(t.Key)
		return no
	})
	return record
}
