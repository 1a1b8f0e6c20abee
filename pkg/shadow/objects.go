// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/pkg/shadow/admission"
	"github.com/steppe-io/steppe/pkg/shadow/auth/node"
	"github.com/steppe-io/steppe/pkg/shadow/auth/serviceaccount"
	"github.com/steppe-io/steppe/pkg/shadow/builtin"
)

// objects reads the server's own objects, for parts of the server. What it
// returns may be in the cache: nobody changes it.
type objects struct {
	resources *builtin.Resources
}

// anyVersion is content with what the cache has.
const anyVersion = "0"

func read[T runtime.Object](ctx context.Context, o objects, resource schema.GroupResource, namespace, name, version string) (T, error) {
	var none T
	obj, err := o.resources.Store(resource).Get(genericapirequest.WithNamespace(ctx, namespace), name, &metav1.GetOptions{ResourceVersion: version})
	if err != nil {
		return none, err
	}
	return obj.(T), nil
}

// reader returns a function that reads objects of a namespaced resource.
func reader[T runtime.Object](o objects, resource schema.GroupResource, version string) func(ctx context.Context, namespace, name string) (T, error) {
	return func(ctx context.Context, namespace, name string) (T, error) {
		return read[T](ctx, o, resource, namespace, name, version)
	}
}

// clusterReader does so for a resource without namespaces.
func clusterReader[T runtime.Object](o objects, resource schema.GroupResource, version string) func(ctx context.Context, name string) (T, error) {
	return func(ctx context.Context, name string) (T, error) {
		return read[T](ctx, o, resource, metav1.NamespaceNone, name, version)
	}
}

// store is what admission reads.
func (o objects) store(resource schema.GroupResource) admission.Store {
	return o.resources.Store(resource)
}

// accounts is what tokens are about.
func (o objects) accounts() *serviceaccount.Storage {
	storage := &serviceaccount.Storage{}
	storage.Install(serviceaccount.Getters{
		ServiceAccounts: o.resources.Store(corev1.Resource("serviceaccounts")),
		Pods:            o.resources.Store(corev1.Resource("pods")),
		Secrets:         o.resources.Store(corev1.Resource("secrets")),
		Nodes:           o.resources.Store(corev1.Resource("nodes")),
	})
	return storage
}

// restricting is what the writes of kubelets are compared with.
func (o objects) restricting() node.Getters {
	return node.Getters{
		Pod:       reader[*corev1.Pod](o, corev1.Resource("pods"), anyVersion),
		Node:      clusterReader[*corev1.Node](o, corev1.Resource("nodes"), anyVersion),
		Claim:     reader[*corev1.PersistentVolumeClaim](o, corev1.Resource("persistentvolumeclaims"), anyVersion),
		Volume:    clusterReader[*corev1.PersistentVolume](o, corev1.Resource("persistentvolumes"), anyVersion),
		CSIDriver: clusterReader[*storagev1.CSIDriver](o, storagev1.Resource("csidrivers"), anyVersion),
	}
}

// endpointSlices returns the slices of a service.
func (o objects) endpointSlices(ctx context.Context, namespace, service string) ([]*discoveryv1.EndpointSlice, error) {
	obj, err := o.resources.Store(discoveryv1.Resource("endpointslices")).List(genericapirequest.WithNamespace(ctx, namespace), &internalversion.ListOptions{
		LabelSelector:   labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service}),
		ResourceVersion: anyVersion,
	})
	if err != nil {
		return nil, err
	}
	list := obj.(*discoveryv1.EndpointSliceList)
	slices := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		slices[i] = &list.Items[i]
	}
	return slices, nil
}

// ResolveEndpoint finds a webhook behind a service by its ClusterIP: the machine
// may know nothing of the cluster's DNS.
func (o objects) ResolveEndpoint(namespace, name string, port int32) (*url.URL, error) {
	service, err := read[*corev1.Service](context.Background(), o, corev1.Resource("services"), namespace, name, anyVersion)
	if err != nil {
		return nil, err
	}
	if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == corev1.ClusterIPNone {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("service %s/%s has no ClusterIP to reach it by", namespace, name))
	}
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(port)))}, nil
}

// SomeOf returns nodes of a pool, see nodepool.Members.
func (o objects) SomeOf(ctx context.Context, pool string, limit int) (names []string, more bool, err error) {
	obj, err := o.resources.Store(corev1.Resource("nodes")).List(genericapirequest.WithNamespace(ctx, metav1.NamespaceNone), &internalversion.ListOptions{
		LabelSelector: labels.SelectorFromSet(labels.Set{apps.LabelNodePool: pool}),
	})
	if err != nil {
		return nil, false, err
	}
	nodes := obj.(*corev1.NodeList).Items
	for _, n := range nodes[:min(limit, len(nodes))] {
		names = append(names, n.Name)
	}
	return names, len(nodes) > limit, nil
}
