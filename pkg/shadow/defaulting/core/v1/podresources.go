// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// requestLimits requests what a container is limited to, where it requests
// nothing.
func requestLimits(containers []corev1.Container) {
	for i := range containers {
		resources := &containers[i].Resources
		addMissing(&resources.Requests, resources.Limits)
	}
}

// setHugePageLimits limits the huge pages of a pod that has resources of its
// own to those of its containers, since huge pages cannot be overcommitted.
func setHugePageLimits(pod *corev1.Pod) {
	resources := pod.Spec.Resources
	if len(resources.Limits) == 0 && len(resources.Requests) == 0 {
		return
	}
	for name, quantity := range resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{}) {
		if !strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
			continue
		}
		_, requested := resources.Requests[name]
		_, limited := resources.Limits[name]
		if !requested && !limited {
			set(&resources.Limits, name, quantity)
		}
	}
}

// setPodRequests requests, for a pod with limits of its own, what its
// containers request together, and else what the pod is limited to.
func setPodRequests(pod *corev1.Pod) {
	resources := pod.Spec.Resources
	if len(resources.Limits) == 0 {
		return
	}
	requests := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		quantity, found := requests[name]
		if _, given := resources.Requests[name]; found && !given {
			set(&resources.Requests, name, quantity)
		}
	}
	for name, quantity := range resources.Limits {
		if _, given := resources.Requests[name]; !given && resourcehelper.IsSupportedPodLevelResource(name) {
			set(&resources.Requests, name, quantity)
		}
	}
}
