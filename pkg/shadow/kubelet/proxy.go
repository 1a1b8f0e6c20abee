// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// proxying is what the proxies have in common.
type proxying struct {
	connector *Connector
}

// Destroy has nothing to do: the connector is the server's.
func (proxying) Destroy() {}

// ConnectMethods returns all.
func (proxying) ConnectMethods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions}
}

// serve passes requests on to path at the end of a route.
func (proxying) serve(to *route, path string, responder rest.Responder) http.Handler {
	handler := to.serve(to.proxy(to.url(utilnet.JoinPreservingTrailingSlash("", path), nil), responder))
	if to.kubelet {
		handler = withoutCookies(handler)
	}
	return withoutIdentity(handler)
}

// NodeProxyREST serves nodes/proxy.
type NodeProxyREST struct{ proxying }

var _ rest.Connecter = &NodeProxyREST{}

// NewNodeProxyREST returns the storage of nodes/proxy.
func NewNodeProxyREST(connector *Connector) *NodeProxyREST {
	return &NodeProxyREST{proxying{connector}}
}

// New returns what discovery says that the subresource is.
func (*NodeProxyREST) New() runtime.Object { return &corev1.NodeProxyOptions{} }

// NewConnectOptions returns the options that take up the path.
func (*NodeProxyREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.NodeProxyOptions{}, true, "path"
}

// Connect leads to a node's kubelet, or to another of its ports: id is a node's
// name, as in "node", "node:port" and "https:node:port".
func (r *NodeProxyREST) Connect(ctx context.Context, id string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.NodeProxyOptions)
	if !ok {
		return nil, fmt.Errorf("options of a node's proxy are %T", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid node request %q", id))
	}
	// What a kubelet is asked for may stream, and need not answer at once.
	kubelet, err := r.connector.kubelet(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	to := kubelet.route
	if port != "" && port != to.port {
		to = r.connector.plain(scheme, fmt.Sprintf("node %q", name), to.host, port)
	}
	return r.serve(to, opts.Path, responder), nil
}

// PodProxyREST serves pods/proxy.
type PodProxyREST struct{ proxying }

var _ rest.Connecter = &PodProxyREST{}

// NewPodProxyREST returns the storage of pods/proxy.
func NewPodProxyREST(connector *Connector) *PodProxyREST {
	return &PodProxyREST{proxying{connector}}
}

// New returns what discovery says that the subresource is.
func (*PodProxyREST) New() runtime.Object { return &corev1.PodProxyOptions{} }

// NewConnectOptions returns the options that take up the path.
func (*PodProxyREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &corev1.PodProxyOptions{}, true, "path"
}

// Connect leads to a port of a pod: id is a pod's name, as in "pod", which means
// the first port that a container declares, "pod:port" and "https:pod:port".
func (r *PodProxyREST) Connect(ctx context.Context, id string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*corev1.PodProxyOptions)
	if !ok {
		return nil, fmt.Errorf("options of a pod's proxy are %T", options)
	}
	scheme, name, port, valid := utilnet.SplitSchemeNamePort(id)
	if !valid {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("invalid pod request %q", id))
	}
	pod, err := r.connector.pods(ctx, request.NamespaceValue(ctx), name)
	if err != nil {
		return nil, err
	}
	if len(pod.Status.PodIPs) == 0 {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%v: pod %s has none yet", errAddress, name))
	}
	host := pod.Status.PodIPs[0].IP
	if _, err := netip.ParseAddr(host); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%v: pod %s: %v", errAddress, name, err))
	}
	if port == "" {
		port = firstPort(&pod.Spec)
	}
	return r.serve(r.connector.plain(scheme, fmt.Sprintf("pod %q", name), host, port), opts.Path, responder), nil
}

func firstPort(spec *corev1.PodSpec) string {
	for _, container := range spec.Containers {
		if len(container.Ports) > 0 {
			return fmt.Sprint(container.Ports[0].ContainerPort)
		}
	}
	return ""
}
