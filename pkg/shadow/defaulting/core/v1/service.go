// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_Service completes a Service. A port without a protocol would
// keep kube-proxy from programming any Service at all.
func SetDefaults_Service(service *corev1.Service) {
	spec := &service.Spec
	fill.Zero(&spec.Type, corev1.ServiceTypeClusterIP)
	setSessionAffinity(spec)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		fill.Zero(&port.Protocol, corev1.ProtocolTCP)
		if port.TargetPort == intstr.FromInt32(0) || port.TargetPort == intstr.FromString("") {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}

	switch spec.Type {
	case corev1.ServiceTypeLoadBalancer:
		fill.Nil(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
		fill.Zero(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
		fill.Nil(&spec.AllocateLoadBalancerNodePorts, true)
		for i := range service.Status.LoadBalancer.Ingress {
			if ingress := &service.Status.LoadBalancer.Ingress[i]; ingress.IP != "" {
				fill.Nil(&ingress.IPMode, corev1.LoadBalancerIPModeVIP)
			}
		}
	case corev1.ServiceTypeNodePort:
		fill.Nil(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
		fill.Zero(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	case corev1.ServiceTypeClusterIP:
		fill.Nil(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
		if len(spec.ExternalIPs) > 0 {
			fill.Zero(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
		}
	}
}

// setSessionAffinity completes a configuration where one is used, and drops it
// where none is.
func setSessionAffinity(spec *corev1.ServiceSpec) {
	fill.Zero(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityNone:
		spec.SessionAffinityConfig = nil
	case corev1.ServiceAffinityClientIP:
		fill.Nil(&spec.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		fill.Nil(&spec.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		fill.Nil(&spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, corev1.DefaultClientIPServiceAffinitySeconds)
	}
}

// SetDefaults_Endpoints sets the protocol of ports.
func SetDefaults_Endpoints(endpoints *corev1.Endpoints) { //nolint:staticcheck // clients still ask for them
	for i := range endpoints.Subsets {
		ports := endpoints.Subsets[i].Ports
		for j := range ports {
			fill.Zero(&ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}
