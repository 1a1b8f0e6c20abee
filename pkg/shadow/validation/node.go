// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// nodeFeature matches what a kubelet calls its features, like Feature/Part.
var nodeFeature = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*(/[A-Za-z0-9]+)*$`)

// node checks new and changed nodes.
func node(n *corev1.Node, p *problems) {
	taints(n.Spec.Taints, spec.Child("taints"), p)
	at := spec.Child("podCIDRs")
	nets := make([]*net.IPNet, 0, len(n.Spec.PodCIDRs))
	for i, cidr := range n.Spec.PodCIDRs {
		p.each(at.Index(i), cidr, legacyCIDR(cidr))
		if _, parsed, err := netutils.ParseCIDRSloppy(cidr); err == nil {
			nets = append(nets, parsed)
		}
	}
	if len(n.Spec.PodCIDRs) > 2 || len(nets) == 2 && netutils.IsIPv6CIDR(nets[0]) == netutils.IsIPv6CIDR(nets[1]) {
		p.invalid(at, len(n.Spec.PodCIDRs), "may have no more than one range of each family")
	}
	if cidr := n.Spec.PodCIDR; cidr != "" {
		p.each(spec.Child("podCIDR"), cidr, legacyCIDR(cidr))
		if len(n.Spec.PodCIDRs) > 0 && n.Spec.PodCIDRs[0] != cidr {
			p.invalid(spec.Child("podCIDR"), cidr, "must be the first of `podCIDRs`")
		}
	}
	nodeReport(n, p)
}

// nodeReport checks what a kubelet says about its node.
func nodeReport(n *corev1.Node, p *problems) {
	for _, list := range []struct {
		name string
		of   corev1.ResourceList
	}{{"capacity", n.Status.Capacity}, {"allocatable", n.Status.Allocatable}} {
		for _, name := range slices.Sorted(maps.Keys(list.of)) {
			amount(name, list.of[name], status.Child(list.name, string(name)), p)
		}
	}
	for i, feature := range n.Status.DeclaredFeatures {
		at := status.Child("declaredFeatures").Index(i)
		if len(feature) > validation.DNS1123SubdomainMaxLength || !nodeFeature.MatchString(feature) {
			p.invalid(at, feature, "must be a name of at most 253 letters, digits and slashes that starts with a capital letter, like Feature/Part")
		}
		if i == 0 {
			continue
		}
		switch before := n.Status.DeclaredFeatures[i-1]; {
		case before == feature:
			p.duplicate(at, feature)
		case before > feature:
			p.invalid(at, feature, "must come after what it is greater than")
		}
	}
}

// updateNode checks that what nodes are known by stays.
func updateNode(n, old *corev1.Node, p *problems) {
	if len(old.Spec.PodCIDRs) > 0 && !slices.Equal(n.Spec.PodCIDRs, old.Spec.PodCIDRs) {
		p.forbidden(spec.Child("podCIDRs"), "may not change once set")
	}
	if old.Spec.ProviderID != "" && n.Spec.ProviderID != old.Spec.ProviderID {
		p.forbidden(spec.Child("providerID"), "may not change once set")
	}
	if n.Spec.DoNotUseExternalID != old.Spec.DoNotUseExternalID {
		p.forbidden(spec.Child("externalID"), "field is immutable")
	}
	seen := sets.New[corev1.NodeAddress]()
	for i, address := range n.Status.Addresses {
		if seen.Has(address) {
			p.duplicate(status.Child("addresses").Index(i), address)
		}
		seen.Insert(address)
	}
}

// nodeStatus checks what a kubelet reports; it may do more than report.
func nodeStatus(n, old *corev1.Node, p *problems) {
	nodeReport(n, p)
	updateNode(n, old, p)
}

// namespace checks what must be done before a namespace is gone.
func namespace(n *corev1.Namespace, p *problems) {
	for i, finalizer := range n.Spec.Finalizers {
		finalizerName(string(finalizer), spec.Child("finalizers").Index(i), p)
	}
}

func finalizerName(name string, at *field.Path, p *problems) {
	if wrong := validation.IsQualifiedName(name); len(wrong) > 0 {
		p.each(at, name, wrong)
	} else if !slices.Contains(standardFinalizers, name) && !strings.Contains(name, "/") {
		p.invalid(at, name, "must be a standard finalizer or have a domain")
	}
}

var standardFinalizers = []string{string(corev1.FinalizerKubernetes), "orphan", "foregroundDeletion"}

func namespaceStatus(n, _ *corev1.Namespace, p *problems) {
	phase := corev1.NamespaceActive
	if !n.DeletionTimestamp.IsZero() {
		phase = corev1.NamespaceTerminating
	}
	if n.Status.Phase != phase {
		p.invalid(status.Child("phase"), n.Status.Phase, "must be '"+string(phase)+"', as `deletionTimestamp` says")
	}
}
