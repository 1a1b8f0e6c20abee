// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

const (
	maxIngressController   = 250
	ingressClassAnnotation = "kubernetes.io/ingress.class"
)

// networkingRules are for who may talk to whom, and from outside.
func networkingRules() []rule {
	return []rule{
		of[networkingv1.NetworkPolicySpec](f("policyTypes", maxItems(2))),
		whole(policyPort),
		whole(func(peer *networkingv1.NetworkPolicyPeer, at *field.Path, p *problems) {
			switch others := peer.PodSelector != nil || peer.NamespaceSelector != nil; {
			case !others && peer.IPBlock == nil:
				p.required(at, "must specify a peer")
			case others && peer.IPBlock != nil:
				p.forbidden(at, "may not specify both `ipBlock` and another peer")
			}
		}),
		also(of[networkingv1.IPBlock](f("cidr", required, text(legacyCIDR)), f("except", text(legacyCIDR))), ipBlock),
		also(of[networkingv1.IngressSpec](f("ingressClassName", subdomain)), func(s *networkingv1.IngressSpec, at *field.Path, p *problems) {
			if len(s.Rules) == 0 && s.DefaultBackend == nil {
				p.invalid(at, "", "must specify `defaultBackend` or `rules`")
			}
		}),
		of[networkingv1.IngressTLS](f("hosts", text(wildcard)), f("secretName", subdomain)),
		of[networkingv1.IngressRule](f("host", text(hostName))),
		of[networkingv1.HTTPIngressRuleValue](f("paths", required)),
		also(of[networkingv1.HTTPIngressPath](f("pathType", required)), ingressPath),
		whole(ingressBackend),
		also(of[networkingv1.IngressServiceBackend](f("name", required, dnsLabel)), func(s *networkingv1.IngressServiceBackend, at *field.Path, p *problems) {
			switch port := s.Port; {
			case port.Name != "" && port.Number != 0:
				p.invalid(at.Child("port"), "", "may not specify both `name` and `number`")
			case port.Name != "":
				p.each(at.Child("port", "name"), port.Name, validation.IsValidPortName(port.Name))
			case port.Number != 0:
				p.each(at.Child("port", "number"), port.Number, validation.IsValidPortNum(int(port.Number)))
			default:
				p.required(at.Child("port"), "must specify `name` or `number`")
			}
		}),
		also(of[networkingv1.IngressClassSpec](f("controller", maxLength(maxIngressController))), func(s *networkingv1.IngressClassSpec, at *field.Path, p *problems) {
			p.add(validation.IsDomainPrefixedPath(at.Child("controller"), s.Controller)...)
		}),
		also(of[networkingv1.IngressClassParametersReference](
			f("apiGroup", subdomain), f("kind", required, segment), f("name", required, segment), f("scope", required),
		), ingressParameters),
		of[networkingv1.IPAddressSpec](f("parentRef", required)),
		of[networkingv1.ParentReference](f("group", subdomain), f("resource", required, segment), f("name", required, segment), f("namespace", segment)),
		also(of[networkingv1.ServiceCIDRSpec](f("cidrs", required, maxItems(2))), func(s *networkingv1.ServiceCIDRSpec, at *field.Path, p *problems) {
			for i, cidr := range s.CIDRs {
				p.add(validation.IsValidCIDR(at.Child("cidrs").Index(i), cidr)...)
			}
			if len(s.CIDRs) == 2 && netutils.IPFamilyOfCIDRString(s.CIDRs[0]) == netutils.IPFamilyOfCIDRString(s.CIDRs[1]) {
				p.invalid(at.Child("cidrs"), s.CIDRs, "may have no more than one range of each family")
			}
		}),
	}
}

func policyPort(port *networkingv1.NetworkPolicyPort, at *field.Path, p *problems) {
	end := at.Child("endPort")
	switch {
	case port.Port == nil || port.Port.Type == intstr.String:
		if port.EndPort != nil {
			p.invalid(end, *port.EndPort, "may only be specified when `port` is a number")
		}
		if port.Port != nil {
			p.each(at.Child("port"), port.Port.StrVal, validation.IsValidPortName(port.Port.StrVal))
		}
	default:
		p.each(at.Child("port"), port.Port.IntVal, validation.IsValidPortNum(int(port.Port.IntVal)))
		if port.EndPort != nil && (*port.EndPort < port.Port.IntVal || *port.EndPort > 65535) {
			p.invalid(end, *port.EndPort, "must be between `port` and 65535, inclusive")
		}
	}
}

func ipBlock(b *networkingv1.IPBlock, at *field.Path, p *problems) {
	_, all, err := netutils.ParseCIDRSloppy(b.CIDR)
	if err != nil {
		return // another check says so
	}
	size, _ := all.Mask.Size()
	for i, except := range b.Except {
		if _, part, err := netutils.ParseCIDRSloppy(except); err == nil {
			if partSize, _ := part.Mask.Size(); !all.Contains(part.IP) || partSize <= size {
				p.invalid(at.Child("except").Index(i), except, "must be a part of `cidr`, and not all of it")
			}
		}
	}
}

func wildcard(host string) []string {
	if strings.Contains(host, "*") {
		return validation.IsWildcardDNS1123Subdomain(host)
	}
	return validation.IsDNS1123Subdomain(host)
}

func hostName(host string) []string {
	if netutils.ParseIPSloppy(host) != nil {
		return []string{"must be a DNS name, not an IP address"}
	}
	return wildcard(host)
}

func ingressPath(path *networkingv1.HTTPIngressPath, at *field.Path, p *problems) {
	at = at.Child("path")
	if path.PathType == nil || *path.PathType == networkingv1.PathTypeImplementationSpecific && path.Path == "" {
		return
	}
	if !strings.HasPrefix(path.Path, "/") {
		p.invalid(at, path.Path, "must be an absolute path")
	}
	if *path.PathType == networkingv1.PathTypeImplementationSpecific {
		return
	}
	for _, part := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(path.Path, part) {
			p.invalid(at, path.Path, "must not contain '"+part+"'")
		}
	}
	for _, end := range []string{"/..", "/."} {
		if strings.HasSuffix(path.Path, end) {
			p.invalid(at, path.Path, "must not end with '"+end+"'")
		}
	}
}

func ingressBackend(b *networkingv1.IngressBackend, at *field.Path, p *problems) {
	if (b.Service == nil) == (b.Resource == nil) {
		p.invalid(at, "", "must specify exactly one of: `resource`, `service`")
	}
	if r := b.Resource; r != nil {
		p.each(at.Child("resource", "kind"), r.Kind, content.IsPathSegmentName(r.Kind))
		p.each(at.Child("resource", "name"), r.Name, content.IsPathSegmentName(r.Name))
	}
}

func ingressParameters(r *networkingv1.IngressClassParametersReference, at *field.Path, p *problems) {
	if r.Scope == nil || *r.Scope == "" {
		return
	}
	listed(p, at.Child("scope"), *r.Scope, networkingv1.IngressClassParametersReferenceScopeCluster, networkingv1.IngressClassParametersReferenceScopeNamespace)
	switch {
	case *r.Scope == networkingv1.IngressClassParametersReferenceScopeCluster && r.Namespace != nil:
		p.forbidden(at.Child("namespace"), "may not be specified when `scope` is 'Cluster'")
	case *r.Scope == networkingv1.IngressClassParametersReferenceScopeNamespace && r.Namespace == nil:
		p.required(at.Child("namespace"), "must be specified when `scope` is 'Namespace'")
	case r.Namespace != nil:
		p.each(at.Child("namespace"), *r.Namespace, validation.IsDNS1123Label(*r.Namespace))
	}
}

func createIngress(i *networkingv1.Ingress, p *problems) {
	if class, ok := i.Annotations[ingressClassAnnotation]; ok && i.Spec.IngressClassName != nil && class != *i.Spec.IngressClassName {
		p.invalid(field.NewPath("annotations").Child(ingressClassAnnotation), class, "must be the same as `spec.ingressClassName`")
	}
}

func ingressStatus(i, _ *networkingv1.Ingress, p *problems) {
	for n, ingress := range i.Status.LoadBalancer.Ingress {
		at := status.Child("loadBalancer", "ingress").Index(n)
		if ingress.IP != "" {
			p.each(at.Child("ip"), ingress.IP, legacyIP(ingress.IP))
		}
		if ingress.Hostname != "" {
			p.each(at.Child("hostname"), ingress.Hostname, validation.IsDNS1123Subdomain(ingress.Hostname))
			if netutils.ParseIPSloppy(ingress.Hostname) != nil {
				p.invalid(at.Child("hostname"), ingress.Hostname, "must be a DNS name, not an IP address")
			}
		}
	}
}

func updateIngressClass(c, old *networkingv1.IngressClass, p *problems) {
	unchanged(p, spec.Child("controller"), c.Spec.Controller, old.Spec.Controller)
}

func updateIPAddress(a, old *networkingv1.IPAddress, p *problems) {
	unchanged(p, spec.Child("parentRef"), a.Spec.ParentRef, old.Spec.ParentRef)
}

// updateServiceCIDR lets a second range be added.
func updateServiceCIDR(c, old *networkingv1.ServiceCIDR, p *problems) {
	at := spec.Child("cidrs")
	now, before := c.Spec.CIDRs, old.Spec.CIDRs
	if len(now) < len(before) || len(now) > len(before) && len(before) != 1 {
		p.invalid(at, now, "field is immutable")
		return
	}
	for i, cidr := range before {
		if now[i] != cidr {
			p.invalid(at.Index(i), now[i], "field is immutable")
		}
	}
}

func ipName(name string, _ bool) []string { return messages(validation.IsValidIP(nil, name)) }
