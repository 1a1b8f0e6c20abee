// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
)

const topologyName = "PodTopologyLabels"

// topology tells a pod by its labels where its node is.
type topology struct {
	*admission.Handler
	objects Objects
}

var _ admission.MutationInterface = &topology{}

// Admit labels a pod that has a node, or the binding that gives it one.
func (t *topology) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !isOf(a, corev1.Resource("pods"), "binding") {
		return nil
	}
	var node string
	var labels *map[string]string
	switch obj := a.GetObject().(type) {
	case *corev1.Pod:
		node, labels = obj.Spec.NodeName, &obj.Labels
	case *corev1.Binding:
		if obj.Target.Kind == "Node" {
			node, labels = obj.Target.Name, &obj.Labels
		}
	}
	if node == "" {
		return nil
	}
	where, err := t.objects.node(ctx, node)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, label := range []string{corev1.LabelTopologyZone, corev1.LabelTopologyRegion} {
		value, ok := where.Labels[label]
		if !ok {
			continue
		}
		all := maps.Clone(*labels)
		if all == nil {
			all = map[string]string{}
		}
		all[label] = value
		*labels = all
	}
	return nil
}
