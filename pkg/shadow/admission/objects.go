// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Objects reads the server's own objects, which nobody changes. The errors are API
// errors.
type Objects struct {
	stores func(schema.GroupResource) Store
}

// Store has the objects of a resource.
type Store interface {
	rest.Getter
	rest.Lister
}

// NewObjects returns what reads from these stores, one for each of Kubernetes' own
// resources.
func NewObjects(stores func(resource schema.GroupResource) Store) Objects { return Objects{stores} }

// read returns an object as it is now.
func read[T runtime.Object](ctx context.Context, o Objects, resource schema.GroupResource, namespace, name string) (T, error) {
	var none T
	obj, err := o.stores(resource).Get(about(ctx, resource, namespace), name, &metav1.GetOptions{})
	if err != nil {
		return none, err
	}
	typed, ok := obj.(T)
	if !ok {
		return none, fmt.Errorf("a store of %s holds a %T", resource, obj)
	}
	return typed, nil
}

// list returns all objects of a namespace, or of the cluster, as they are now.
func list[T runtime.Object](ctx context.Context, o Objects, resource schema.GroupResource, namespace string) ([]T, error) {
	obj, err := o.stores(resource).List(about(ctx, resource, namespace), nil)
	if err != nil {
		return nil, err
	}
	var all []T
	err = meta.EachListItem(obj, func(item runtime.Object) error {
		typed, ok := item.(T)
		if !ok {
			return fmt.Errorf("a store of %s holds a %T", resource, item)
		}
		all = append(all, typed)
		return nil
	})
	return all, err
}

// about is the context of a request for a resource, made on behalf of another.
func about(ctx context.Context, resource schema.GroupResource, namespace string) context.Context {
	info := &request.RequestInfo{IsResourceRequest: true, APIGroup: resource.Group, Resource: resource.Resource, Namespace: namespace}
	return request.WithRequestInfo(request.WithNamespace(ctx, namespace), info)
}

func (o Objects) namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	return read[*corev1.Namespace](ctx, o, corev1.Resource("namespaces"), "", name)
}

func (o Objects) node(ctx context.Context, name string) (*corev1.Node, error) {
	return read[*corev1.Node](ctx, o, corev1.Resource("nodes"), "", name)
}

func (o Objects) pods(ctx context.Context, namespace string) ([]*corev1.Pod, error) {
	return list[*corev1.Pod](ctx, o, corev1.Resource("pods"), namespace)
}

func (o Objects) serviceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return read[*corev1.ServiceAccount](ctx, o, corev1.Resource("serviceaccounts"), namespace, name)
}

func (o Objects) limitRanges(ctx context.Context, namespace string) ([]*corev1.LimitRange, error) {
	return list[*corev1.LimitRange](ctx, o, corev1.Resource("limitranges"), namespace)
}

func (o Objects) priorityClass(ctx context.Context, name string) (*schedulingv1.PriorityClass, error) {
	return read[*schedulingv1.PriorityClass](ctx, o, schedulingv1.Resource("priorityclasses"), "", name)
}

func (o Objects) priorityClasses(ctx context.Context) ([]*schedulingv1.PriorityClass, error) {
	return list[*schedulingv1.PriorityClass](ctx, o, schedulingv1.Resource("priorityclasses"), "")
}

func (o Objects) runtimeClass(ctx context.Context, name string) (*nodev1.RuntimeClass, error) {
	return read[*nodev1.RuntimeClass](ctx, o, nodev1.Resource("runtimeclasses"), "", name)
}

func (o Objects) storageClass(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	return read[*storagev1.StorageClass](ctx, o, storagev1.Resource("storageclasses"), "", name)
}

func (o Objects) storageClasses(ctx context.Context) ([]*storagev1.StorageClass, error) {
	return list[*storagev1.StorageClass](ctx, o, storagev1.Resource("storageclasses"), "")
}

func (o Objects) ingressClasses(ctx context.Context) ([]*networkingv1.IngressClass, error) {
	return list[*networkingv1.IngressClass](ctx, o, networkingv1.Resource("ingressclasses"), "")
}

// isOf says whether a request is about a resource itself, or one of the named
// subresources.
func isOf(a admission.Attributes, resource schema.GroupResource, subresources ...string) bool {
	if a.GetResource().GroupResource() != resource {
		return false
	}
	if a.GetSubresource() == "" {
		return true
	}
	for _, s := range subresources {
		if s == a.GetSubresource() {
			return true
		}
	}
	return false
}
