// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/klog/v2"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/steppe-io/steppe/apis/apps"
)

const (
	// namedMembers is how many nodes the refusal to delete a pool names.
	namedMembers = 3

	// retryAfterSeconds is when to ask again if members could not be looked up.
	retryAfterSeconds = 5
)

// Storage serves the resource nodepools and its subresources.
type Storage struct {
	NodePool *REST
	Status   *StatusREST
}

// NewStorage builds the storage. members guards pools that have nodes.
func NewStorage(scheme *runtime.Scheme, options generic.RESTOptionsGetter, members Members) (*Storage, error) {
	strategy := strategy{scheme, names.SimpleNameGenerator}
	store := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return &apps.NodePool{} },
		NewListFunc:               func() runtime.Object { return &apps.NodePoolList{} },
		DefaultQualifiedResource:  apps.Resource("nodepools"),
		SingularQualifiedResource: apps.Resource("nodepool"),
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		ResetFieldsStrategy:       strategy,
		TableConvertor:            tableConvertor{},
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options}); err != nil {
		return nil, fmt.Errorf("storing nodepools: %w", err)
	}
	statusStore := *store
	statusStore.UpdateStrategy = statusStrategy{strategy}
	statusStore.ResetFieldsStrategy = statusStrategy{strategy}
	return &Storage{
		NodePool: &REST{Store: store, members: members},
		Status:   &StatusREST{store: &statusStore},
	}, nil
}

// REST serves nodepools.
type REST struct {
	*genericregistry.Store
	members Members
}

var (
	_ rest.StandardStorage    = &REST{}
	_ rest.ShortNamesProvider = &REST{}
	_ rest.CategoriesProvider = &REST{}
)

// ShortNames are what kubectl takes for nodepools.
func (*REST) ShortNames() []string { return []string{"np"} }

// Categories are the groups of resources that kubectl gets at once.
func (*REST) Categories() []string { return []string{"yurt"} }

// Delete refuses to delete a pool that has nodes.
func (r *REST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	return r.Store.Delete(ctx, name, r.refuseMembers(validate), options)
}

// DeleteCollection refuses as soon as it meets a pool that has nodes.
func (r *REST) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, listOptions *internalversion.ListOptions) (runtime.Object, error) {
	return r.Store.DeleteCollection(ctx, r.refuseMembers(validate), options, listOptions)
}

// Update refuses to take the last finalizer off a pool that is being deleted and
// has nodes: that deletes it.
func (r *REST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	guarded := func(ctx context.Context, obj, old runtime.Object) error {
		if update != nil {
			if err := update(ctx, obj, old); err != nil {
				return err
			}
		}
		pool := obj.(*apps.NodePool)
		if pool.DeletionTimestamp == nil || len(pool.Finalizers) > 0 {
			return nil
		}
		return r.refuseMembers(nil)(ctx, pool)
	}
	return r.Store.Update(ctx, name, info, create, guarded, forceCreate, options)
}

func (r *REST) refuseMembers(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		pool := obj.(*apps.NodePool)
		names, more, err := r.members.SomeOf(ctx, pool.Name, namedMembers)
		if err != nil {
			klog.FromContext(ctx).Info("Refused to delete a pool whose nodes are not known", "nodePool", klog.KObj(pool), "err", err)
			refusal := apierrors.NewServiceUnavailable(fmt.Sprintf("cannot tell whether nodepool %q still has nodes, as the kube-apiserver did not answer", pool.Name))
			refusal.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: retryAfterSeconds}
			return refusal
		}
		if len(names) == 0 {
			return nil
		}
		list := strings.Join(names, ", ")
		if more {
			list += " and others"
		}
		return apierrors.NewConflict(apps.Resource("nodepools"), pool.Name, fmt.Errorf(
			"the pool still has nodes (%s): take them out with \"kubectl label node <name> %s-\" first", list, apps.LabelNodePool))
	}
}

// StatusREST serves nodepools/status.
type StatusREST struct {
	store *genericregistry.Store
}

var (
	_ rest.Patcher             = &StatusREST{}
	_ rest.ResetFieldsStrategy = &StatusREST{}
	_ rest.TableConvertor      = &StatusREST{}
)

// New returns an empty NodePool.
func (r *StatusREST) New() runtime.Object { return &apps.NodePool{} }

// Destroy does nothing: the store is nodepools', which closes it.
func (r *StatusREST) Destroy() {}

// Get returns the whole NodePool.
func (r *StatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update changes the status and nothing else. It never creates a pool.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, create, update, false, options)
}

// GetResetFields keeps appliers from owning what they cannot write.
func (r *StatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable prints a NodePool.
func (r *StatusREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}
