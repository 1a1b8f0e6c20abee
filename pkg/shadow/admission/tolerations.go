// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
)

const (
	tolerationsName = "DefaultTolerationSeconds"
	// tolerated is how long a pod stays on a node that cannot be reached.
	tolerated = 300
)

// tolerations lets pods stay for a time on nodes that are not ready or cannot be
// reached, unless they say themselves for how long.
type tolerations struct {
	*admission.Handler
}

var _ admission.MutationInterface = tolerations{}

// Admit adds the tolerations.
func (tolerations) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || !isOf(a, corev1.Resource("pods")) {
		return nil
	}
	given := slices.Clip(pod.Spec.Tolerations)
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		said := slices.ContainsFunc(given, func(t corev1.Toleration) bool {
			return (t.Key == taint || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
		})
		if said {
			continue
		}
		seconds := int64(tolerated)
		pod.Spec.Tolerations = append(slices.Clip(pod.Spec.Tolerations), corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds,
		})
	}
	return nil
}
