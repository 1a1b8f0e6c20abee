// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// hostsShown is how many rules of an Ingress a cell looks at.
const hostsShown = 3

// Ingresses are the columns of ingresses.networking.k8s.io.
var Ingresses = New(definitions{
	nameColumn,
	text("Class", "The IngressClass of the controller that serves it"),
	text("Hosts", "The hosts whose requests the rules match"),
	text("Address", "Where the load balancer is reached"),
	text("Ports", "The ports that are open"),
	ageColumn,
}, func(ingress *networkingv1.Ingress) []any {
	var addresses []string
	for _, i := range ingress.Status.LoadBalancer.Ingress {
		addresses = append(addresses, or(i.IP, i.Hostname))
	}
	ports := "80"
	if len(ingress.Spec.TLS) > 0 {
		ports = "80, 443"
	}
	return []any{
		ingress.Name, deref(ingress.Spec.IngressClassName, none), ingressHosts(ingress.Spec.Rules),
		strings.Join(points(addresses), ","), ports, age(ingress),
	}
})

// ingressHosts counts in rules what more there is: rules without a host too,
// once the cell is full.
func ingressHosts(rules []networkingv1.IngressRule) string {
	var hosts []string
	full := false
	for _, rule := range rules {
		if len(hosts) == hostsShown {
			full = true
			break
		}
		if rule.Host != "" {
			hosts = append(hosts, rule.Host)
		}
	}
	cell := or(strings.Join(hosts, ","), "*")
	if full {
		cell += fmt.Sprintf(" + %d more...", len(rules)-hostsShown)
	}
	return cell
}

// IngressClasses are the columns of ingressclasses.networking.k8s.io.
var IngressClasses = New(definitions{
	nameColumn,
	text("Controller", "The controller that serves Ingresses of the class"),
	text("Parameters", "The object with further parameters of the class"),
	ageColumn,
}, func(class *networkingv1.IngressClass) []any {
	name := class.Name
	if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
		name += " (default)"
	}
	parameters := none
	if p := class.Spec.Parameters; p != nil {
		parameters = p.Kind
		if p.APIGroup != nil {
			parameters += "." + *p.APIGroup
		}
		parameters += "/" + p.Name
	}
	return []any{name, class.Spec.Controller, parameters, age(class)}
})

// NetworkPolicies are the columns of networkpolicies.networking.k8s.io.
var NetworkPolicies = New(definitions{
	nameColumn,
	text("Pod-Selector", networkingv1.NetworkPolicySpec{}.SwaggerDoc()["podSelector"]),
	ageColumn,
}, func(policy *networkingv1.NetworkPolicy) []any {
	return []any{policy.Name, metav1.FormatLabelSelector(&policy.Spec.PodSelector), age(policy)}
})

// ServiceCIDRs are the columns of servicecidrs.networking.k8s.io.
var ServiceCIDRs = New(definitions{
	nameColumn,
	text("CIDRs", networkingv1.ServiceCIDRSpec{}.SwaggerDoc()["cidrs"]),
	ageColumn,
}, func(cidr *networkingv1.ServiceCIDR) []any {
	return []any{cidr.Name, strings.Join(cidr.Spec.CIDRs, ","), age(cidr)}
})

// IPAddresses are the columns of ipaddresses.networking.k8s.io. kube-apiserver
// sends a third cell, the age, without a column for it; no client can show it.
var IPAddresses = New(definitions{
	nameColumn,
	text("ParentRef", networkingv1.IPAddressSpec{}.SwaggerDoc()["parentRef"]),
}, func(address *networkingv1.IPAddress) []any {
	parent := none
	if ref := address.Spec.ParentRef; ref != nil {
		parent = strings.ToLower(schema.GroupResource{Group: ref.Group, Resource: ref.Resource}.String())
		if ref.Namespace != "" {
			parent += "/" + ref.Namespace
		}
		parent += "/" + ref.Name
	}
	return []any{address.Name, parent}
})
