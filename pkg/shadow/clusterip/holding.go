// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	netutils "k8s.io/utils/net"
)

// holding is what one or several Services hold.
type holding struct {
	addresses sets.Set[netip.Addr]
	ports     sets.Set[int32]
}

func newHolding() holding {
	return holding{addresses: sets.New[netip.Addr](), ports: sets.New[int32]()}
}

// holdingOf returns what Services hold. Nil ones hold nothing.
func holdingOf(services ...*corev1.Service) holding {
	h := newHolding()
	for _, service := range services {
		if service == nil {
			continue
		}
		for _, ip := range addresses(service) {
			if addr, ok := parseAddr(ip); ok {
				h.addresses.Insert(addr)
			}
		}
		for i := range service.Spec.Ports {
			if port := service.Spec.Ports[i].NodePort; port != 0 {
				h.ports.Insert(port)
			}
		}
		if port := service.Spec.HealthCheckNodePort; port != 0 {
			h.ports.Insert(port)
		}
	}
	return h
}

// without returns what is not in the other.
func (h holding) without(other holding) holding {
	return holding{addresses: h.addresses.Difference(other.addresses), ports: h.ports.Difference(other.ports)}
}

func (h holding) with(other holding) holding {
	return holding{addresses: h.addresses.Union(other.addresses), ports: h.ports.Union(other.ports)}
}

func (h holding) empty() bool { return len(h.addresses) == 0 && len(h.ports) == 0 }

// addresses are the ClusterIPs of a Service; none for one that has no need.
func addresses(service *corev1.Service) []string {
	if service == nil || !needsAddress(service) || isHeadless(service) {
		return nil
	}
	return plural(&service.Spec)
}

// plural returns clusterIPs, also of a Service that is older than the field.
func plural(spec *corev1.ServiceSpec) []string {
	if len(spec.ClusterIPs) == 0 && spec.ClusterIP != "" {
		return []string{spec.ClusterIP}
	}
	return spec.ClusterIPs
}

// parseAddr reads addresses as Kubernetes does, which allows for leading zeros.
func parseAddr(s string) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(s))
	return addr.Unmap(), ok
}

func needsAddress(service *corev1.Service) bool {
	return service.Spec.Type != corev1.ServiceTypeExternalName
}

func isHeadless(service *corev1.Service) bool {
	if len(service.Spec.ClusterIPs) > 0 {
		return service.Spec.ClusterIPs[0] == corev1.ClusterIPNone
	}
	return service.Spec.ClusterIP == corev1.ClusterIPNone
}

func isBalanced(service *corev1.Service) bool {
	return service.Spec.Type == corev1.ServiceTypeLoadBalancer
}

// mayHaveNodePorts tells Services whose type allows for node ports.
func mayHaveNodePorts(service *corev1.Service) bool {
	return service.Spec.Type == corev1.ServiceTypeNodePort || isBalanced(service)
}

// needsNodePorts tells Services whose ports all get one.
func needsNodePorts(service *corev1.Service) bool {
	allocate := service.Spec.AllocateLoadBalancerNodePorts
	return mayHaveNodePorts(service) && (!isBalanced(service) || allocate == nil || *allocate)
}

func needsHealthCheckPort(service *corev1.Service) bool {
	return isBalanced(service) && service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}
