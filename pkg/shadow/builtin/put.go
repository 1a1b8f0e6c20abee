// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/storage"
)

// Put stores a copy of an object that another server has, as it is there: with its
// UID, times, status and managed fields, and without defaults, admission or
// validation. It creates or replaces, and does nothing if the object is the same
// already. The resourceVersion is this server's own. Nothing is done to the object
// that was given.
func (r *Resources) Put(ctx context.Context, obj runtime.Object) error {
	store, err := r.storeOf(obj)
	if err != nil {
		return err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	ctx = genericapirequest.WithNamespace(ctx, m.GetNamespace())
	key, err := store.KeyFunc(ctx, m.GetName())
	if err != nil {
		return err
	}
	put := func(existing runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
		updated := obj.DeepCopyObject()
		old, err := meta.Accessor(existing)
		if err != nil {
			return nil, nil, err
		}
		changed, err := meta.Accessor(updated)
		if err != nil {
			return nil, nil, err
		}
		changed.SetResourceVersion(old.GetResourceVersion())
		updated.GetObjectKind().SetGroupVersionKind(existing.GetObjectKind().GroupVersionKind())
		if equality.Semantic.DeepEqual(updated, existing) {
			return existing, nil, nil
		}
		return updated, nil, nil
	}
	const createIfMissing = true
	if err := store.Storage.GuaranteedUpdate(ctx, key, store.NewFunc(), createIfMissing, nil, put, false, nil); err != nil {
		return fmt.Errorf("storing %s %s: %w", store.row.Kind.Kind, key, err)
	}
	return nil
}

// Decode reads an object in JSON or YAML as it is, without defaults.
func (r *Resources) Decode(data []byte) (runtime.Object, error) {
	obj, _, err := r.config.Codecs.UniversalDeserializer().Decode(data, nil, nil)
	return obj, err
}

// Destroy ends the stores, where no server does.
func (r *Resources) Destroy() {
	for _, store := range r.stores {
		store.Destroy()
	}
}

// storeOf returns the store of an object's resource.
func (r *Resources) storeOf(obj runtime.Object) (*Store, error) {
	kinds, _, err := r.config.Scheme.ObjectKinds(obj)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		for _, kind := range kinds {
			if rows[i].Kind == kind {
				return r.stores[rows[i].GroupResource()], nil
			}
		}
	}
	return nil, fmt.Errorf("the table has no resource of kind %s", kinds[0])
}
