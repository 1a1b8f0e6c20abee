// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// ServiceGetter returns a service, or the API error why it cannot.
type ServiceGetter func(ctx context.Context, namespace, name string) (*corev1.Service, error)

// EndpointSliceLister returns the EndpointSlices of a service: those with the label
// kubernetes.io/service-name.
type EndpointSliceLister func(ctx context.Context, namespace, service string) ([]*discoveryv1.EndpointSlice, error)

// ServiceProxyREST serves services/proxy.
type ServiceProxyREST struct {
	proxying
	services ServiceGetter
	slices   EndpointSliceLister
}

var _ rest.Connecter = &ServiceProxyREST{}

// NewServiceProxyREST returns the storage of services/proxy.
func NewServiceProxyREST(connector *Connector, services ServiceGetter, slices EndpointSliceLister) *ServiceProxyREST {
	return &ServiceProxyREST{proxying: proxying{connector}, services: services, slices: slices}
}

// New returns what discovery says that the subresource is.
func (*ServiceProxyREST) New() runtime.Object { return &corev1.ServiceProxyOptions{} }

// NewConnectOptions returns the options that take up the path.
func (*ServiceProxyREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.ServiceProxyOptions{}, true, "path"
}

// Connect leads to a pod behind a service: id is a service's name, as in "service",
// which means its port without a name, "service:port" and "https:service:port",
// where port is a number or a name.
func (r *ServiceProxyREST) Connect(ctx context.Context, id string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.ServiceProxyOptions)
	if !ok {
		return nil, fmt.Errorf("options of a service's proxy are %T", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid service request %q", id))
	}
	namespace := request.NamespaceValue(ctx)
	service, err := r.services(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	portName, err := portName(service, port)
	if err != nil {
		return nil, err
	}
	slices, err := r.slices(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	for _, at := range candidates(slices, portName) {
		// A service may lead to pods alone, or whoever can write slices could have
		// this server speak to anything that it can reach.
		if r.isPod(ctx, namespace, at) {
			to := r.connector.plain(scheme, fmt.Sprintf("service %q", name), at.host, at.port)
			return r.serve(to, opts.Path, responder), nil
		}
	}
	return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", id))
}

// portName returns the name of the port that a number stands for.
func portName(service *corev1.Service, port string) (string, error) {
	if port == "" || strings.Trim(port, "0123456789") != "" {
		return port, nil // names have letters
	}
	for _, declared := range service.Spec.Ports {
		if strconv.Itoa(int(declared.Port)) == port {
			return declared.Name, nil
		}
	}
	return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %s found for service %q", port, service.Name))
}

// candidate is where a pod may be listening.
type candidate struct {
	host, port string
	pod        *corev1.ObjectReference
}

// candidates returns what is ready to serve a port, in an order that spreads the
// load.
func candidates(endpointSlices []*discoveryv1.EndpointSlice, portName string) []candidate {
	var found []candidate
	for _, slice := range endpointSlices {
		at := slices.IndexFunc(slice.Ports, func(port discoveryv1.EndpointPort) bool {
			return port.Port != nil && (port.Name == nil && portName == "" || port.Name != nil && *port.Name == portName)
		})
		if at < 0 || slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if len(endpoint.Addresses) > 0 && (endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready) {
				found = append(found, candidate{
					host: endpoint.Addresses[0],
					port: strconv.Itoa(int(*slice.Ports[at].Port)),
					pod:  endpoint.TargetRef,
				})
			}
		}
	}
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// isPod says whether a candidate is the pod that it says it is.
func (r *ServiceProxyREST) isPod(ctx context.Context, namespace string, at candidate) bool {
	if at.pod == nil || at.pod.Namespace != namespace {
		return false
	}
	pod, err := r.connector.pods(ctx, namespace, at.pod.Name)
	return err == nil && slices.ContainsFunc(pod.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == at.host })
}
