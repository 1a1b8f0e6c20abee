// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// part serves a subresource that reads and writes a part of the object, through a
// copy of its store with a strategy of its own.
type part struct {
	store *genericregistry.Store
}

var (
	_ rest.Patcher        = &part{}
	_ rest.TableConvertor = &part{}
)

func newPart(of *Store, strategy rest.RESTUpdateStrategy) *part {
	store := *of.Store
	store.UpdateStrategy = strategy
	// What these hooks guard, a part does not touch.
	store.BeginUpdate = nil
	return &part{&store}
}

// New returns an empty object.
func (p *part) New() runtime.Object { return p.store.New() }

// Destroy does nothing: the store is the resource's, which closes it.
func (p *part) Destroy() {}

// Get returns the whole object.
func (p *part) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return p.store.Get(ctx, name, options)
}

// Update changes the part and nothing else. It never creates an object.
func (p *part) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return p.store.Update(ctx, name, info, create, update, false, options)
}

// ConvertToTable prints the object.
func (p *part) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return p.store.ConvertToTable(ctx, obj, options)
}

// wholePart is a part that tells appliers what is not in it.
type wholePart struct {
	*part
	strategy rest.ResetFieldsStrategy
}

var _ rest.ResetFieldsStrategy = wholePart{}

// GetResetFields keeps appliers from owning what they cannot write.
func (p wholePart) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return p.strategy.GetResetFields()
}

func newWholePart[S interface {
	rest.RESTUpdateStrategy
	rest.ResetFieldsStrategy
}](of *Store, strategy S) wholePart {
	return wholePart{newPart(of, strategy), strategy}
}

var (
	_ rest.Updater             = writeOnly{}
	_ rest.ResetFieldsStrategy = writeOnly{}
)

// writeOnly is a part that can be put, but neither got nor patched.
type writeOnly struct {
	part wholePart
}

// New returns an empty object.
func (p writeOnly) New() runtime.Object { return p.part.New() }

// Destroy does nothing, as that of other parts.
func (p writeOnly) Destroy() {}

// Update changes the part.
func (p writeOnly) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, force bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return p.part.Update(ctx, name, info, create, update, force, options)
}

// GetResetFields keeps appliers from owning what they cannot write.
func (p writeOnly) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return p.part.GetResetFields()
}
