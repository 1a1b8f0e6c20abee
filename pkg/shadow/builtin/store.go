// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/client-go/tools/cache"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/table"
)

// Store serves a resource.
type Store struct {
	*genericregistry.Store
	row  *Resource
	base *strategy
}

var (
	_ rest.StandardStorage    = &Store{}
	_ rest.ShortNamesProvider = &Store{}
	_ rest.CategoriesProvider = &Store{}
)

// ShortNames are what kubectl takes for the resource.
func (s *Store) ShortNames() []string { return s.row.ShortNames }

// Categories are the sets of resources that kubectl gets at once.
func (s *Store) Categories() []string { return s.row.Categories }

// newStore makes the store of a row.
func newStore(row *Resource, scheme *runtime.Scheme, options generic.RESTOptionsGetter, eventTTL time.Duration) (*Store, error) {
	hub := schema.GroupVersion{Group: row.Kind.Group, Version: runtime.APIVersionInternal}
	empty := func(kind string) func() runtime.Object {
		return func() runtime.Object {
			obj, err := scheme.New(hub.WithKind(kind))
			if err != nil {
				panic(fmt.Sprintf("the table has a kind that the scheme has not: %v", err))
			}
			return obj
		}
	}
	base := &strategy{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator, row: row}
	store := &genericregistry.Store{
		NewFunc:                   empty(row.Kind.Kind),
		NewListFunc:               empty(row.Kind.Kind + "List"),
		DefaultQualifiedResource:  row.GroupResource(),
		SingularQualifiedResource: schema.GroupResource{Group: row.Kind.Group, Resource: row.Singular},
		CreateStrategy:            base,
		UpdateStrategy:            base,
		DeleteStrategy:            base,
		ResetFieldsStrategy:       base,
		TableConvertor:            table.NewConvertor(row.Columns),
		PredicateFunc:             row.predicate,
		ReturnDeletedObject:       row.ReturnsDeleted,
	}
	if row.Hooks.CheckGracefulDelete != nil {
		store.DeleteStrategy = gracefulStrategy{base}
	}
	store.ShouldDeleteDuringUpdate = row.Hooks.ShouldDelete
	if row.Expires {
		ttl := uint64(eventTTL.Seconds())
		store.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return ttl, nil }
	}
	if !row.Cached {
		options = apiserver.Uncached(options)
	}
	complete := &generic.StoreOptions{
		RESTOptions: options,
		AttrFunc:    row.attributes,
		TriggerFunc: row.triggers(),
		Indexers:    row.indexers(),
	}
	if err := store.CompleteWithOptions(complete); err != nil {
		return nil, fmt.Errorf("storing %s: %w", row.GroupResource(), err)
	}
	return &Store{store, row, base}, nil
}

// attributes are what objects are selected by.
func (r *Resource) attributes(obj runtime.Object) (labels.Set, fields.Set, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, nil, err
	}
	set := make(fields.Set, len(r.Fields)+2)
	set["metadata.name"] = m.GetName()
	if !r.ClusterScoped {
		set["metadata.namespace"] = m.GetNamespace()
	}
	for _, f := range r.Fields {
		set[f.Label] = f.Value(obj)
	}
	return labels.Set(m.GetLabels()), set, nil
}

func (r *Resource) predicate(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	predicate := storage.SelectionPredicate{Label: label, Field: field, GetAttrs: r.attributes}
	for _, f := range r.Fields {
		if f.Indexed {
			predicate.IndexFields = append(predicate.IndexFields, f.Label)
		}
	}
	return predicate
}

// triggers tell which watches an event may concern. At most one field can: the
// cache takes no more.
func (r *Resource) triggers() storage.IndexerFuncs {
	for _, f := range r.Fields {
		if f.Indexed {
			return storage.IndexerFuncs{f.Label: f.Value}
		}
	}
	return nil
}

func (r *Resource) indexers() *cache.Indexers {
	indexers := cache.Indexers{}
	for _, f := range r.Fields {
		if f.Indexed {
			indexers[storage.FieldIndex(f.Label)] = func(obj any) ([]string, error) {
				return []string{f.Value(obj.(runtime.Object))}, nil
			}
		}
	}
	if len(indexers) == 0 {
		return nil
	}
	return &indexers
}
