// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// endpointsShown is how many endpoints and ports a cell names.
const endpointsShown = 3

var (
	serviceSpecDoc   = corev1.ServiceSpec{}.SwaggerDoc()
	endpointSliceDoc = discoveryv1.EndpointSlice{}.SwaggerDoc()
)

// Services are the columns of services.
var Services = New(definitions{
	nameColumn,
	text("Type", serviceSpecDoc["type"]),
	text("Cluster-IP", serviceSpecDoc["clusterIP"]),
	text("External-IP", serviceSpecDoc["externalIPs"]),
	text("Port(s)", serviceSpecDoc["ports"]),
	ageColumn,
	wide(text("Selector", serviceSpecDoc["selector"])),
}, func(service *corev1.Service) []any {
	clusterIP := none
	if len(service.Spec.ClusterIPs) > 0 {
		clusterIP = service.Spec.ClusterIPs[0]
	}
	return []any{
		service.Name, string(service.Spec.Type), clusterIP, externalIP(service), or(servicePorts(service), none),
		age(service), labels.FormatLabels(service.Spec.Selector),
	}
})

func externalIP(service *corev1.Service) string {
	external := service.Spec.ExternalIPs
	switch service.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort:
		return or(strings.Join(external, ","), none)
	case corev1.ServiceTypeLoadBalancer:
		var ingress []string
		for _, i := range service.Status.LoadBalancer.Ingress {
			ingress = append(ingress, or(i.IP, i.Hostname))
		}
		return or(strings.Join(append(points(ingress), external...), ","), "<pending>")
	case corev1.ServiceTypeExternalName:
		return service.Spec.ExternalName
	default:
		return unknown
	}
}

// points sorts the ingress points of a load balancer and drops repetitions.
func points(ingress []string) []string {
	slices.Sort(ingress)
	ingress = slices.Compact(ingress)
	return slices.DeleteFunc(ingress, func(s string) bool { return s == "" })
}

func servicePorts(service *corev1.Service) string {
	var ports []string
	for _, p := range service.Spec.Ports {
		if p.NodePort > 0 {
			ports = append(ports, fmt.Sprintf("%d:%d/%s", p.Port, p.NodePort, p.Protocol))
		} else {
			ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
		}
	}
	return strings.Join(ports, ",")
}

// Endpoints are the columns of endpoints.
var Endpoints = New(definitions{
	nameColumn,
	text("Endpoints", corev1.Endpoints{}.SwaggerDoc()["subsets"]), //nolint:staticcheck // deprecated, and in use
	ageColumn,
}, func(endpoints *corev1.Endpoints) []any { //nolint:staticcheck // deprecated, and in use
	cell := none
	if len(endpoints.Subsets) > 0 {
		var addresses []string
		for i := range endpoints.Subsets {
			addresses = append(addresses, subsetAddresses(&endpoints.Subsets[i])...)
		}
		cell = some(addresses, endpointsShown, ",")
	}
	return []any{endpoints.Name, cell, age(endpoints)}
})

func subsetAddresses(subset *corev1.EndpointSubset) []string { //nolint:staticcheck // deprecated, and in use
	var all []string
	if len(subset.Ports) == 0 {
		for _, address := range subset.Addresses {
			all = append(all, address.IP)
		}
	}
	for _, port := range subset.Ports {
		for _, address := range subset.Addresses {
			all = append(all, net.JoinHostPort(address.IP, strconv.Itoa(int(port.Port))))
		}
	}
	return all
}

// EndpointSlices are the columns of endpointslices.discovery.k8s.io.
var EndpointSlices = New(definitions{
	nameColumn,
	text("AddressType", endpointSliceDoc["addressType"]),
	text("Ports", endpointSliceDoc["ports"]),
	text("Endpoints", endpointSliceDoc["endpoints"]),
	ageColumn,
}, func(slice *discoveryv1.EndpointSlice) []any {
	var ports, addresses []string
	for _, p := range slice.Ports {
		if p.Port != nil {
			ports = append(ports, strconv.Itoa(int(*p.Port)))
		} else {
			ports = append(ports, deref(p.Name, "*"))
		}
	}
	for _, e := range slice.Endpoints {
		addresses = append(addresses, e.Addresses...)
	}
	return []any{
		slice.Name, string(slice.AddressType),
		or(some(ports, endpointsShown, ","), unset), or(some(addresses, endpointsShown, ","), unset),
		age(slice),
	}
})
