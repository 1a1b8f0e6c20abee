// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_Pod sets what pods have and templates of pods do not.
func SetDefaults_Pod(pod *corev1.Pod) {
	dropInitContainerAnnotations(pod.Annotations)
	requestLimits(pod.Spec.Containers)
	requestLimits(pod.Spec.InitContainers)
	if pod.Spec.Resources != nil {
		setHugePageLimits(pod)
		setPodRequests(pod)
	}
	fill.Nil(&pod.Spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	if pod.Spec.HostNetwork {
		exposeOnHost(pod.Spec.Containers)
		exposeOnHost(pod.Spec.InitContainers)
	}
	// Less than no time is the shortest there is; no time would force deletion.
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		*grace = 1
	}
}

// SetDefaults_PodTemplateSpec drops what SetDefaults_Pod drops as well.
func SetDefaults_PodTemplateSpec(template *corev1.PodTemplateSpec) {
	dropInitContainerAnnotations(template.Annotations)
}

// SetDefaults_PodSpec sets what pods and their templates have.
func SetDefaults_PodSpec(spec *corev1.PodSpec) {
	fill.Zero(&spec.DNSPolicy, corev1.DNSClusterFirst)
	fill.Zero(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	fill.Nil(&spec.SecurityContext, corev1.PodSecurityContext{})
	fill.Nil(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	fill.Zero(&spec.SchedulerName, corev1.DefaultSchedulerName)
	// The newer name counts.
	fill.Zero(&spec.ServiceAccountName, spec.DeprecatedServiceAccount)
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
}

// SetDefaults_PodStatus brings the address of the pod into step with the list
// of addresses, of which it is the first. A kubelet that knows one address
// only is believed.
func SetDefaults_PodStatus(status *corev1.PodStatus) {
	if status.PodIP != "" && (len(status.PodIPs) == 0 || status.PodIPs[0].IP != status.PodIP) {
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	if len(status.PodIPs) > 0 {
		status.PodIP = status.PodIPs[0].IP
	}
}

// exposeOnHost gives ports the only number they can have in the network of the
// host.
func exposeOnHost(containers []corev1.Container) {
	for i := range containers {
		ports := containers[i].Ports
		for j := range ports {
			fill.Zero(&ports[j].HostPort, ports[j].ContainerPort)
		}
	}
}

// dropInitContainerAnnotations drops the form that init containers had before
// they were fields.
func dropInitContainerAnnotations(annotations map[string]string) {
	if len(annotations) == 0 {
		return
	}
	delete(annotations, "pod.alpha.kubernetes.io/init-containers")
	delete(annotations, "pod.alpha.kubernetes.io/init-container-statuses")
	delete(annotations, "pod.beta.kubernetes.io/init-containers")
	delete(annotations, "pod.beta.kubernetes.io/init-container-statuses")
}
