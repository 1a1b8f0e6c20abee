// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
)

// inferPlural sets clusterIPs for a client that knows clusterIP alone, or that
// changed it alone. The other way about is an error, which validation finds.
func inferPlural(service, old *corev1.Service) {
	spec := &service.Spec
	if old == nil {
		spec.ClusterIPs = plural(spec)
		return
	}
	was := &old.Spec
	pluralKept := slices.Equal(spec.ClusterIPs, was.ClusterIPs)
	switch {
	case spec.ClusterIP == was.ClusterIP && len(spec.ClusterIPs) == 0:
		spec.ClusterIPs = plural(was)
	case spec.ClusterIP == was.ClusterIP || !pluralKept:
	case spec.ClusterIP == "":
		spec.ClusterIPs = nil
	default:
		spec.ClusterIPs = []string{spec.ClusterIP}
	}
}

// carryOver keeps what was given to a Service and is not named in an update, so
// that a manifest can be put a second time.
func carryOver(service, old *corev1.Service) {
	spec, was := &service.Spec, &old.Spec
	if needsAddress(service) && needsAddress(old) {
		if spec.ClusterIP == "" {
			spec.ClusterIP = was.ClusterIP
		}
		if len(spec.ClusterIPs) == 0 {
			spec.ClusterIPs = plural(was)
		}
	}
	if needsNodePorts(service) && needsNodePorts(old) {
		carryOverPorts(spec, was)
	}
	if needsHealthCheckPort(service) && needsHealthCheckPort(old) && spec.HealthCheckNodePort == 0 {
		spec.HealthCheckNodePort = was.HealthCheckNodePort
	}
}

// carryOverPorts keeps node ports by the names of ports, but for those that have
// been moved to another port.
func carryOverPorts(spec, was *corev1.ServiceSpec) {
	named := sets.New[int32]()
	for i := range spec.Ports {
		named.Insert(spec.Ports[i].NodePort)
	}
	given := map[string]int32{}
	for i := range was.Ports {
		given[was.Ports[i].Name] = was.Ports[i].NodePort
	}
	// The array may be that of the stored object.
	spec.Ports = slices.Clone(spec.Ports)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if before := given[port.Name]; port.NodePort == 0 && !named.Has(before) {
			port.NodePort = before
		}
	}
}

// DropUnneeded clears what an update leaves as it was, although the Service's new
// type has no use for it: who changes the type need not know each field that
// goes with it. It belongs into the strategy's PrepareForUpdate.
func DropUnneeded(service, old *corev1.Service) {
	spec, was := &service.Spec, &old.Spec
	if needsAddress(old) && !needsAddress(service) {
		if spec.ClusterIP == was.ClusterIP && slices.Equal(spec.ClusterIPs, was.ClusterIPs) {
			spec.ClusterIP, spec.ClusterIPs = "", nil
		}
		if slices.Equal(spec.IPFamilies, was.IPFamilies) {
			spec.IPFamilies = nil
		}
		if ptr.Equal(spec.IPFamilyPolicy, was.IPFamilyPolicy) {
			spec.IPFamilyPolicy = nil
		}
	}
	if mayHaveNodePorts(old) && !mayHaveNodePorts(service) && !hasNewNodePort(spec, was) {
		spec.Ports = slices.Clone(spec.Ports)
		for i := range spec.Ports {
			spec.Ports[i].NodePort = 0
		}
	}
	if needsHealthCheckPort(old) && !needsHealthCheckPort(service) && spec.HealthCheckNodePort == was.HealthCheckNodePort {
		spec.HealthCheckNodePort = 0
	}
	if isBalanced(old) && !isBalanced(service) {
		dropUnchanged(&spec.AllocateLoadBalancerNodePorts, was.AllocateLoadBalancerNodePorts)
		dropUnchanged(&spec.LoadBalancerClass, was.LoadBalancerClass)
	}
	if isReachedFromOutside(old) && !isReachedFromOutside(service) && spec.ExternalTrafficPolicy == was.ExternalTrafficPolicy {
		spec.ExternalTrafficPolicy = ""
	}
	if !isBalanced(service) {
		service.Status.LoadBalancer = corev1.LoadBalancerStatus{}
	}
}

func dropUnchanged[T comparable](field **T, was *T) {
	if ptr.Equal(*field, was) {
		*field = nil
	}
}

func hasNewNodePort(spec, was *corev1.ServiceSpec) bool {
	for i := range spec.Ports {
		port := spec.Ports[i].NodePort
		if port != 0 && !slices.ContainsFunc(was.Ports, func(p corev1.ServicePort) bool { return p.NodePort == port }) {
			return true
		}
	}
	return false
}

func isReachedFromOutside(service *corev1.Service) bool {
	return mayHaveNodePorts(service) || service.Spec.Type == corev1.ServiceTypeClusterIP && len(service.Spec.ExternalIPs) > 0
}
