// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// The limits of an EndpointSlice.
const (
	maxEndpoints      = 1000
	maxSlicePorts     = 20000
	maxAddresses      = 100
	maxTopologyLabels = 16
	maxForZones       = 8
)

// endpointRules are for what Services send their traffic to. Addresses of the node
// itself are refused: through one, a pod would reach what listens on loopback only,
// or the metadata of a cloud's machine.
func endpointRules() []rule {
	return []rule{
		whole(func(s *corev1.EndpointSubset, at *field.Path, p *problems) { //nolint:staticcheck // clients still write them
			if len(s.Addresses) == 0 && len(s.NotReadyAddresses) == 0 {
				p.required(at, "must specify `addresses` or `notReadyAddresses`")
			}
			for i, port := range s.Ports {
				if port.Name == "" && len(s.Ports) > 1 {
					p.required(at.Child("ports").Index(i).Child("name"), "must be specified when there are several ports")
				}
			}
		}),
		of[corev1.EndpointAddress](f("ip", required, text(legacyIP), text(endpointIP)), f("hostname", dnsLabel), f("nodeName", subdomain)),
		of[corev1.EndpointPort](f("name", dnsLabel), f("port", portNumber), f("protocol", required), f("appProtocol", qualifiedName)),
		of[discoveryv1.EndpointPort](f("port", portNumber), f("protocol", required), f("appProtocol", qualifiedName)),
		of[discoveryv1.Endpoint](
			f("addresses", required, maxItems(maxAddresses)),
			f("hostname", dnsLabel),
			f("nodeName", subdomain),
			f("deprecatedTopology", maxItems(maxTopologyLabels), labelMap),
		),
		of[discoveryv1.EndpointHints](f("forZones", maxItems(maxForZones), uniqueBy("Name")), f("forNodes", maxItems(maxForZones), uniqueBy("Name"))),
		of[discoveryv1.ForZone](f("name", text(validation.IsValidLabelValue))),
		of[discoveryv1.ForNode](f("name", required, subdomain)),
	}
}

// endpointIP refuses addresses that are not those of a pod or a machine.
func endpointIP(value string) []string {
	ip := netutils.ParseIPSloppy(value)
	switch {
	case ip == nil:
		return nil // another check says so
	case ip.IsUnspecified():
		return []string{"may not be unspecified"}
	case ip.IsLoopback():
		return []string{"may not be in the loopback range (127.0.0.0/8, ::1/128)"}
	case ip.IsLinkLocalUnicast():
		return []string{"may not be in the link-local range (169.254.0.0/16, fe80::/10)"}
	case ip.IsLinkLocalMulticast():
		return []string{"may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"}
	}
	return nil
}

func endpointSlice(s *discoveryv1.EndpointSlice, p *problems) {
	if s.AddressType == "" {
		p.required(field.NewPath("addressType"), "")
	} else {
		listed(p, field.NewPath("addressType"), s.AddressType, discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6)
	}
	maxList(len(s.Endpoints), maxEndpoints, field.NewPath("endpoints"), p)
	maxList(len(s.Ports), maxSlicePorts, field.NewPath("ports"), p)
	for i, e := range s.Endpoints {
		at := field.NewPath("endpoints").Index(i)
		for j, address := range e.Addresses {
			sliceAddress(s.AddressType, address, at.Child("addresses").Index(j), p)
		}
		if _, ok := e.DeprecatedTopology["topology.kubernetes.io/zone"]; ok {
			p.invalid(at.Child("deprecatedTopology").Key("topology.kubernetes.io/zone"), "", "must be in `zone`")
		}
		if p.full() {
			return
		}
	}
	names := map[string]bool{}
	for i, port := range s.Ports {
		at := field.NewPath("ports").Index(i).Child("name")
		if port.Name == nil {
			p.required(at, "")
			continue
		}
		if names[*port.Name] {
			p.duplicate(at, *port.Name)
		}
		names[*port.Name] = true
		if *port.Name != "" {
			p.each(at, *port.Name, validation.IsDNS1123Label(*port.Name))
		}
	}
}

func maxList(n, limit int, at *field.Path, p *problems) {
	if n > limit {
		p.add(field.TooMany(at, n, limit))
	}
}

// sliceAddress checks an address by its type. Those that are not canonical would
// be different ones to different programs.
func sliceAddress(kind discoveryv1.AddressType, address string, at *field.Path, p *problems) {
	switch kind {
	case discoveryv1.AddressTypeFQDN:
		p.add(validation.IsFullyQualifiedDomainName(at, address)...)
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
		wrong := messages(validation.IsValidIP(at, address))
		if len(wrong) == 0 && netutils.IsIPv6String(address) != (kind == discoveryv1.AddressTypeIPv6) {
			wrong = []string{"must be of the family in `addressType`"}
		}
		p.each(at, address, append(wrong, endpointIP(address)...))
	}
}

func updateEndpointSlice(s, old *discoveryv1.EndpointSlice, p *problems) {
	unchanged(p, field.NewPath("addressType"), s.AddressType, old.AddressType)
}
