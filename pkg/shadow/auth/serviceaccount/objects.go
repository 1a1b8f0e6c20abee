// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Objects reads service accounts and what their tokens may be bound to. What does
// not exist is an API error with reason NotFound. The objects are not changed.
type Objects interface {
	GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error)
	GetPod(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	GetNode(ctx context.Context, name string) (*corev1.Node, error)
}

// Getters are the storages of a server.
type Getters struct {
	ServiceAccounts, Pods, Secrets, Nodes rest.Getter
}

// Storage gives Objects out of the storages of a server, which are built later
// than the authentication of the server. Until they are there, reads fail as
// unavailable.
type Storage struct {
	getters atomic.Pointer[Getters]
}

// Install makes the storages known.
func (s *Storage) Install(getters Getters) { s.getters.Store(&getters) }

// Live reads what is stored now.
func (s *Storage) Live() Objects { return storedObjects{storage: s} }

// Cached reads from the watch cache, where a storage has one.
func (s *Storage) Cached() Objects { return storedObjects{storage: s, resourceVersion: "0"} }

type storedObjects struct {
	storage         *Storage
	resourceVersion string
}

func (o storedObjects) GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return get[*corev1.ServiceAccount](ctx, o, func(g *Getters) rest.Getter { return g.ServiceAccounts }, namespace, name)
}

func (o storedObjects) GetPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return get[*corev1.Pod](ctx, o, func(g *Getters) rest.Getter { return g.Pods }, namespace, name)
}

func (o storedObjects) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return get[*corev1.Secret](ctx, o, func(g *Getters) rest.Getter { return g.Secrets }, namespace, name)
}

func (o storedObjects) GetNode(ctx context.Context, name string) (*corev1.Node, error) {
	return get[*corev1.Node](ctx, o, func(g *Getters) rest.Getter { return g.Nodes }, metav1.NamespaceNone, name)
}

func get[T any](ctx context.Context, o storedObjects, choose func(*Getters) rest.Getter, namespace, name string) (T, error) {
	var none T
	getters := o.storage.getters.Load()
	if getters == nil {
		return none, apierrors.NewServiceUnavailable("the storages of this server are not ready yet")
	}
	ctx = genericapirequest.WithNamespace(ctx, namespace)
	object, err := choose(getters).Get(ctx, name, &metav1.GetOptions{ResourceVersion: o.resourceVersion})
	if err != nil {
		return none, err
	}
	typed, ok := object.(T)
	if !ok {
		return none, apierrors.NewInternalError(fmt.Errorf("storage has a %T where a %T belongs", object, none))
	}
	return typed, nil
}
