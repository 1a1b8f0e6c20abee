// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// chooseContainer returns the container that a request is about: the one that it
// names, or the only one.
func chooseContainer(pod *corev1.Pod, name string) (string, error) {
	names := containerNames(&pod.Spec)
	switch {
	case name != "" && slices.Contains(names, name):
		return name, nil
	case name != "":
		return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
	case len(pod.Spec.Containers) == 1:
		return pod.Spec.Containers[0].Name, nil
	case len(pod.Spec.Containers) == 0:
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s", pod.Name))
	default:
		return "", apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s, choose one of: %s", pod.Name, names))
	}
}

// containerNames returns those of all kinds of containers.
func containerNames(spec *corev1.PodSpec) []string {
	var names []string
	for _, container := range spec.InitContainers {
		names = append(names, container.Name)
	}
	for _, container := range spec.Containers {
		names = append(names, container.Name)
	}
	for _, container := range spec.EphemeralContainers {
		names = append(names, container.Name)
	}
	return names
}
