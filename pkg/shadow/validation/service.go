// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

const (
	maxAffinitySeconds = 24 * 60 * 60
	// The ports of nodes that Services may take. Others belong to the node: a
	// Service on 10250 would get what is meant for the kubelet.
	minNodePort, maxNodePort = 30000, 32767
)

// serviceRules are for Services.
func serviceRules() []rule {
	return []rule{
		also(of[corev1.ServiceSpec](
			f("type", required),
			f("selector", labelMap),
			f("sessionAffinity", required),
			f("externalIPs", text(legacyIP), text(endpointIP)),
			f("ipFamilies", uniqueBy()),
			f("healthCheckNodePort", between(0, 65535)),
		), serviceSpec),
		also(of[corev1.ServicePort](
			f("name", dnsLabel), f("port", portNumber), f("protocol", required), f("targetPort", portNumberOrName), f("appProtocol", qualifiedName),
		), func(s *corev1.ServicePort, at *field.Path, p *problems) {
			if s.NodePort != 0 && (s.NodePort < minNodePort || s.NodePort > maxNodePort) {
				p.invalid(at.Child("nodePort"), s.NodePort, fmt.Sprintf("must be between %d and %d, inclusive", minNodePort, maxNodePort))
			}
		}),
		of[corev1.ClientIPConfig](f("timeoutSeconds", required, between(1, maxAffinitySeconds))),
	}
}

func headless(s *corev1.ServiceSpec) bool {
	return len(s.ClusterIPs) == 1 && s.ClusterIPs[0] == corev1.ClusterIPNone
}

func serviceSpec(s *corev1.ServiceSpec, at *field.Path, p *problems) {
	servicePorts(s, at, p)
	switch s.Type {
	case corev1.ServiceTypeExternalName:
		externalName(s, at, p)
	case corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
		if headless(s) {
			p.invalid(at.Child("clusterIPs").Index(0), corev1.ClusterIPNone, fmt.Sprintf("may not be 'None' when `type` is '%s'", s.Type))
		}
		clusterIPs(s, at, p)
	default:
		clusterIPs(s, at, p)
	}
	if s.SessionAffinity == corev1.ServiceAffinityClientIP {
		if s.SessionAffinityConfig == nil || s.SessionAffinityConfig.ClientIP == nil {
			p.required(at.Child("sessionAffinityConfig"), "must have `clientIP` when `sessionAffinity` is 'ClientIP'")
		}
	} else if s.SessionAffinityConfig != nil {
		p.forbidden(at.Child("sessionAffinityConfig"), "may only be specified when `sessionAffinity` is 'ClientIP'")
	}
	balanced := s.Type == corev1.ServiceTypeLoadBalancer
	if !balanced {
		p.forbidEach(at, "may only be specified when `type` is 'LoadBalancer'", specified{
			{"loadBalancerSourceRanges", len(s.LoadBalancerSourceRanges) > 0},
			{"allocateLoadBalancerNodePorts", s.AllocateLoadBalancerNodePorts != nil},
			{"loadBalancerClass", s.LoadBalancerClass != nil},
		})
	} else if s.LoadBalancerClass != nil {
		p.each(at.Child("loadBalancerClass"), *s.LoadBalancerClass, validation.IsQualifiedName(*s.LoadBalancerClass))
	}
	for i, cidr := range s.LoadBalancerSourceRanges {
		cidr = strings.TrimSpace(cidr)
		p.each(at.Child("loadBalancerSourceRanges").Index(i), cidr, legacyCIDR(cidr))
	}
	traffic(s, at, p)
}

// servicePorts checks that ports can be told apart.
func servicePorts(s *corev1.ServiceSpec, at *field.Path, p *problems) {
	if len(s.Ports) == 0 && !headless(s) && s.Type != corev1.ServiceTypeExternalName {
		p.required(at.Child("ports"), "must have a port")
	}
	names, ports, nodePorts := sets.New[string](), sets.New[string](), sets.New[string]()
	for i, port := range s.Ports {
		at := at.Child("ports").Index(i)
		if port.Name == "" && len(s.Ports) > 1 {
			p.required(at.Child("name"), "must be specified when there are several ports")
		} else if port.Name != "" && names.Has(port.Name) {
			p.duplicate(at.Child("name"), port.Name)
		}
		names.Insert(port.Name)
		key := fmt.Sprintf("%s/%d", port.Protocol, port.Port)
		if ports.Has(key) {
			p.duplicate(at, key)
		}
		ports.Insert(key)
		if port.NodePort == 0 {
			continue
		}
		if s.Type == corev1.ServiceTypeClusterIP {
			p.forbidden(at.Child("nodePort"), "may not be specified when `type` is 'ClusterIP'")
		}
		key = fmt.Sprintf("%s/%d", port.Protocol, port.NodePort)
		if nodePorts.Has(key) {
			p.duplicate(at.Child("nodePort"), key)
		}
		nodePorts.Insert(key)
	}
}

func externalName(s *corev1.ServiceSpec, at *field.Path, p *problems) {
	p.forbidEach(at, "may not be specified when `type` is 'ExternalName'", specified{
		{"clusterIPs", len(s.ClusterIPs) > 0 || s.ClusterIP != ""},
		{"ipFamilies", len(s.IPFamilies) > 0},
		{"ipFamilyPolicy", s.IPFamilyPolicy != nil},
	})
	if name := strings.TrimSuffix(s.ExternalName, "."); name == "" {
		p.required(at.Child("externalName"), "must be specified when `type` is 'ExternalName'")
	} else {
		p.each(at.Child("externalName"), s.ExternalName, validation.IsDNS1123Subdomain(name))
	}
}

// clusterIPs checks that a Service's own addresses are one of each family, as said.
func clusterIPs(s *corev1.ServiceSpec, at *field.Path, p *problems) {
	at = at.Child("clusterIPs")
	switch {
	case s.ClusterIP == "" && len(s.ClusterIPs) > 0:
		p.invalid(at, s.ClusterIPs, "must be empty when `clusterIP` is not specified")
	case s.ClusterIP != "" && len(s.ClusterIPs) == 0:
		p.required(at, "must have the value of `clusterIP`")
	case s.ClusterIP != "" && s.ClusterIPs[0] != s.ClusterIP:
		p.invalid(at, s.ClusterIPs, "must begin with the value of `clusterIP`")
	}
	if len(s.ClusterIPs) > 2 {
		p.invalid(at, len(s.ClusterIPs), "must have at most 2 values")
		return
	}
	if headless(s) {
		return
	}
	valid := true
	for i, ip := range s.ClusterIPs {
		if ip == corev1.ClusterIPNone {
			p.invalid(at, s.ClusterIPs, "may only be 'None' as the only value")
			return
		}
		wrong := legacyIP(ip)
		p.each(at.Index(i), ip, wrong)
		valid = valid && len(wrong) == 0
	}
	if !valid {
		return
	}
	if len(s.ClusterIPs) == 2 && netutils.IsIPv6String(s.ClusterIPs[0]) == netutils.IsIPv6String(s.ClusterIPs[1]) {
		p.invalid(at, s.ClusterIPs, "may have no more than one address of each family")
	}
	for i, ip := range s.ClusterIPs {
		if i < len(s.IPFamilies) && netutils.IsIPv6String(ip) != (s.IPFamilies[i] == corev1.IPv6Protocol) {
			p.invalid(at.Index(i), ip, fmt.Sprintf("must be of the family in `ipFamilies[%d]`", i))
		}
	}
}

// traffic checks the policies by which traffic is sent to endpoints.
func traffic(s *corev1.ServiceSpec, at *field.Path, p *problems) {
	external := s.Type == corev1.ServiceTypeNodePort || s.Type == corev1.ServiceTypeLoadBalancer || s.Type == corev1.ServiceTypeClusterIP && len(s.ExternalIPs) > 0
	switch {
	case !external && s.ExternalTrafficPolicy != "":
		p.invalid(at.Child("externalTrafficPolicy"), s.ExternalTrafficPolicy, "may only be specified for Services that are reached from outside")
	case external && s.ExternalTrafficPolicy == "":
		p.required(at.Child("externalTrafficPolicy"), "")
	}
	checked := s.Type == corev1.ServiceTypeLoadBalancer && s.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	if s.HealthCheckNodePort != 0 && !checked {
		p.invalid(at.Child("healthCheckNodePort"), s.HealthCheckNodePort, "may only be specified when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
	}
	if s.InternalTrafficPolicy == nil && s.Type != corev1.ServiceTypeExternalName {
		p.required(at.Child("internalTrafficPolicy"), "")
	}
	if t := s.TrafficDistribution; t != nil {
		listed(p, at.Child("trafficDistribution"), *t, corev1.ServiceTrafficDistributionPreferClose,
			corev1.ServiceTrafficDistributionPreferSameNode, corev1.ServiceTrafficDistributionPreferSameZone)
	}
}

// service checks what Services say in annotations.
func service(s *corev1.Service, p *problems) {
	at := field.NewPath("metadata", "annotations")
	mode, ok := s.Annotations[corev1.AnnotationTopologyMode]
	if hints, old := s.Annotations[corev1.DeprecatedAnnotationTopologyAwareHints]; ok && old && mode != hints {
		p.invalid(at.Key(corev1.AnnotationTopologyMode), mode, "must be equal to the annotation "+corev1.DeprecatedAnnotationTopologyAwareHints)
	}
	ranges, ok := s.Annotations[corev1.AnnotationLoadBalancerSourceRangesKey]
	if !ok || len(s.Spec.LoadBalancerSourceRanges) > 0 {
		return
	}
	at = at.Key(corev1.AnnotationLoadBalancerSourceRangesKey)
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		p.forbidden(at, "may only be specified when `type` is 'LoadBalancer'")
	}
	if strings.TrimSpace(ranges) == "" {
		return
	}
	for cidr := range strings.SplitSeq(ranges, ",") {
		cidr = strings.TrimSpace(cidr)
		p.each(at, cidr, legacyCIDR(cidr))
	}
}

// updateService checks that the addresses of a Service stay, but for a second one
// that may come and go.
func updateService(s, old *corev1.Service, p *problems) {
	now, before := &s.Spec, &old.Spec
	if now.Type == corev1.ServiceTypeLoadBalancer && before.Type == now.Type {
		unchanged(p, spec.Child("loadBalancerClass"), now.LoadBalancerClass, before.LoadBalancerClass)
	}
	if now.HealthCheckNodePort != 0 && before.HealthCheckNodePort != 0 && now.HealthCheckNodePort != before.HealthCheckNodePort {
		p.forbidden(spec.Child("healthCheckNodePort"), "field is immutable")
	}
	if now.Type == corev1.ServiceTypeExternalName || before.Type == corev1.ServiceTypeExternalName {
		return
	}
	single := now.IPFamilyPolicy != nil && *now.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
	if !headless(now) || !headless(before) {
		keptInOrder(now.ClusterIPs, before.ClusterIPs, single, spec.Child("clusterIPs"), p)
	}
	if !headless(now) && !headless(before) {
		keptInOrder(now.IPFamilies, before.IPFamilies, single, spec.Child("ipFamilies"), p)
	}
}

// keptInOrder lets a list grow, or shrink to one item when there shall be one only.
func keptInOrder[T ~string](now, before []T, single bool, at *field.Path, p *problems) {
	for i, value := range before {
		switch {
		case i < len(now) && now[i] != value:
			p.invalid(at.Index(i), now[i], "may not change once set")
		case i >= len(now) && i == 0:
			p.invalid(at.Index(i), "", "may not be unset")
		case i >= len(now) && !single:
			p.invalid(spec.Child("ipFamilyPolicy"), "", "must be 'SingleStack' when the second address is given up")
		}
	}
}

// serviceStatus checks where a load balancer says that a Service is reached.
func serviceStatus(s, _ *corev1.Service, p *problems) {
	at := status.Child("loadBalancer", "ingress")
	if len(s.Status.LoadBalancer.Ingress) > 0 && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		p.forbidden(at, "may only be specified when `spec.type` is 'LoadBalancer'")
		return
	}
	for i, ingress := range s.Status.LoadBalancer.Ingress {
		at := at.Index(i)
		if ingress.IP != "" {
			p.each(at.Child("ip"), ingress.IP, legacyIP(ingress.IP))
		}
		switch {
		case ingress.IP == "" && ingress.IPMode != nil:
			p.forbidden(at.Child("ipMode"), "may only be specified when `ip` is")
		case ingress.IP != "" && ingress.IPMode == nil:
			p.required(at.Child("ipMode"), "must be specified when `ip` is")
		case ingress.IPMode != nil:
			listed(p, at.Child("ipMode"), *ingress.IPMode, corev1.LoadBalancerIPModeProxy, corev1.LoadBalancerIPModeVIP)
		}
		if ingress.Hostname != "" {
			p.each(at.Child("hostname"), ingress.Hostname, validation.IsDNS1123Subdomain(ingress.Hostname))
			if netutils.ParseIPSloppy(ingress.Hostname) != nil {
				p.invalid(at.Child("hostname"), ingress.Hostname, "must be a DNS name, not an IP address")
			}
		}
	}
}
