// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/steppe-io/steppe/pkg/shadow/validation"
)

// ephemeralStrategy writes the ephemeral containers of a pod.
type ephemeralStrategy struct {
	*strategy
}

func (s ephemeralStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	pod, was := obj.(*corev1.Pod), old.(*corev1.Pod)
	containers := pod.Spec.EphemeralContainers
	pod.Spec, pod.Status = was.Spec, was.Status
	keepMetadata(pod, was)
	pod.Spec.EphemeralContainers = containers
	s.countChange(pod, was)
}

func (ephemeralStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.UpdateEphemeralContainers(obj.(*corev1.Pod), old.(*corev1.Pod))
}

// resizeStrategy writes the resources of a pod and its containers.
type resizeStrategy struct {
	*strategy
}

// PrepareForUpdate leaves a pod with other containers than before as it is, for
// validation to refuse it.
func (s resizeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	pod, was := obj.(*corev1.Pod), old.(*corev1.Pod)
	if len(pod.Spec.Containers) == len(was.Spec.Containers) && len(pod.Spec.InitContainers) == len(was.Spec.InitContainers) {
		resources := pod.Spec.Resources
		containers := resized(pod.Spec.Containers, was.Spec.Containers)
		initContainers := resized(pod.Spec.InitContainers, was.Spec.InitContainers)
		pod.Spec, pod.Status = was.Spec, was.Status
		keepMetadata(pod, was)
		pod.Spec.Resources, pod.Spec.Containers, pod.Spec.InitContainers = resources, containers, initContainers
	}
	s.countChange(pod, was)
}

// resized returns the containers as they were with the resources that they are to
// have. Containers in another order or with other names it returns unchanged.
func resized(containers, were []corev1.Container) []corev1.Container {
	merged := slices.Clone(were)
	for i := range merged {
		if merged[i].Name != containers[i].Name {
			return containers
		}
		merged[i].Resources, merged[i].ResizePolicy = containers[i].Resources, containers[i].ResizePolicy
	}
	return merged
}

func (resizeStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.UpdateResize(obj.(*corev1.Pod), old.(*corev1.Pod))
}
