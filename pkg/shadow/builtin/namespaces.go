// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storageerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// A namespace begins active. The first deletion makes it Terminating, the last
// removes it: whatever is in it has to be gone by then, which the finalizer
// "kubernetes" stands for. The subresource finalize alone takes that away.
var namespaceHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, n *corev1.Namespace) {
		n.Status.Phase = corev1.NamespaceActive
		if !slices.Contains(n.Spec.Finalizers, corev1.FinalizerKubernetes) {
			n.Spec.Finalizers = append(n.Spec.Finalizers, corev1.FinalizerKubernetes)
		}
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, n, old *corev1.Namespace) {
		n.Spec.Finalizers = old.Spec.Finalizers
	}),
	// Defaults set the label too, but do not know names that are generated.
	Canonicalize: func(obj runtime.Object) {
		n := obj.(*corev1.Namespace)
		if n.Labels[corev1.LabelMetadataName] == n.Name {
			return
		}
		labels := maps.Clone(n.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[corev1.LabelMetadataName] = n.Name
		n.Labels = labels
	},
	ShouldDelete: func(_ context.Context, _ string, obj, _ runtime.Object) bool {
		return len(obj.(*corev1.Namespace).Spec.Finalizers) == 0
	},
}

// finalizeStrategy writes the finalizers of a namespace's spec.
type finalizeStrategy struct {
	*strategy
}

func (finalizeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	copyStatus(obj, old)
}

// namespaces serves namespaces: their deletion has two steps, and they cannot be
// deleted by the collection.
type namespaces struct {
	store *Store
}

var (
	_ rest.Storage                    = namespaces{}
	_ rest.Scoper                     = namespaces{}
	_ rest.Lister                     = namespaces{}
	_ rest.Getter                     = namespaces{}
	_ rest.Watcher                    = namespaces{}
	_ rest.CreaterUpdater             = namespaces{}
	_ rest.GracefulDeleter            = namespaces{}
	_ rest.MayReturnFullObjectDeleter = namespaces{}
	_ rest.ShortNamesProvider         = namespaces{}
	_ rest.SingularNameProvider       = namespaces{}
	_ rest.ResetFieldsStrategy        = namespaces{}
	_ rest.StorageVersionProvider     = namespaces{}
)

// Delete begins the end of a namespace, or completes it.
func (r namespaces) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	obj, err := r.store.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	namespace := obj.(*corev1.Namespace)
	if options == nil {
		options = metav1.NewDeleteOptions(0)
	}
	if options.Preconditions == nil {
		options.Preconditions = &metav1.Preconditions{}
	}
	// Whatever happens in between, no namespace but this one is deleted.
	if options.Preconditions.UID == nil {
		options.Preconditions.UID = &namespace.UID
	}
	if err := metPreconditions(namespace, options.Preconditions); err != nil {
		return nil, false, err
	}
	switch {
	case namespace.DeletionTimestamp.IsZero():
		terminating, err := r.terminate(ctx, name, validate, options)
		return terminating, false, err
	case len(namespace.Spec.Finalizers) > 0:
		return namespace, false, nil
	default:
		return r.store.Delete(ctx, name, validate, options)
	}
}

func metPreconditions(n *corev1.Namespace, required *metav1.Preconditions) error {
	conflict := func(what string, asked, is any) error {
		return apierrors.NewConflict(corev1.Resource("namespaces"), n.Name,
			fmt.Errorf("Precondition failed: %s in precondition: %v, %s in object meta: %v", what, asked, what, is)) //nolint:staticcheck // the words of the API
	}
	if *required.UID != n.UID {
		return conflict("UID", *required.UID, n.UID)
	}
	if required.ResourceVersion != nil && *required.ResourceVersion != n.ResourceVersion {
		return conflict("ResourceVersion", *required.ResourceVersion, n.ResourceVersion)
	}
	return nil
}

// terminate marks a namespace as going.
func (r namespaces) terminate(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, error) {
	key, err := r.store.KeyFunc(ctx, name)
	if err != nil {
		return nil, err
	}
	out := r.store.NewFunc()
	preconditions := &storage.Preconditions{UID: options.Preconditions.UID, ResourceVersion: options.Preconditions.ResourceVersion}
	err = r.store.Storage.GuaranteedUpdate(ctx, key, out, false, preconditions, storage.SimpleUpdate(func(existing runtime.Object) (runtime.Object, error) {
		if err := validate(ctx, existing); err != nil {
			return nil, err
		}
		n := existing.(*corev1.Namespace)
		if n.DeletionTimestamp.IsZero() {
			now := metav1.Now()
			n.DeletionTimestamp = &now
		}
		n.Status.Phase = corev1.NamespaceTerminating
		n.Finalizers = propagationFinalizers(n.Finalizers, options)
		return n, nil
	}), dryrun.IsDryRun(options.DryRun), nil)
	if err == nil {
		return out, nil
	}
	resource := corev1.Resource("namespaces")
	err = storageerr.InterpretUpdateError(storageerr.InterpretGetError(err, resource, name), resource, name)
	if _, ok := err.(apierrors.APIStatus); !ok {
		err = apierrors.NewInternalError(err)
	}
	return nil, err
}

// propagationFinalizers returns the finalizers with those that say what becomes of
// dependents as the options have it.
func propagationFinalizers(finalizers []string, options *metav1.DeleteOptions) []string {
	want := func(finalizer string, policy metav1.DeletionPropagation, whenOrphaning bool) bool {
		switch {
		case options.OrphanDependents != nil: //nolint:staticcheck // old clients send it
			return *options.OrphanDependents == whenOrphaning //nolint:staticcheck // old clients send it
		case options.PropagationPolicy != nil:
			return *options.PropagationPolicy == policy
		default:
			return slices.Contains(finalizers, finalizer)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(finalizers), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	if want(metav1.FinalizerOrphanDependents, metav1.DeletePropagationOrphan, true) {
		kept = append(kept, metav1.FinalizerOrphanDependents)
	}
	if want(metav1.FinalizerDeleteDependents, metav1.DeletePropagationForeground, false) {
		kept = append(kept, metav1.FinalizerDeleteDependents)
	}
	return kept
}

// The rest is the store's.

func (r namespaces) New() runtime.Object                    { return r.store.New() }
func (r namespaces) Destroy()                               { r.store.Destroy() }
func (r namespaces) NamespaceScoped() bool                  { return r.store.NamespaceScoped() }
func (r namespaces) NewList() runtime.Object                { return r.store.NewList() }
func (r namespaces) ShortNames() []string                   { return r.store.ShortNames() }
func (r namespaces) GetSingularName() string                { return r.store.GetSingularName() }
func (r namespaces) DeleteReturnsDeletedObject() bool       { return r.store.DeleteReturnsDeletedObject() }
func (r namespaces) StorageVersion() runtime.GroupVersioner { return r.store.StorageVersion() }
func (r namespaces) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

func (r namespaces) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	return r.store.List(ctx, options)
}

func (r namespaces) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

func (r namespaces) Watch(ctx context.Context, options *metainternalversion.ListOptions) (watch.Interface, error) {
	return r.store.Watch(ctx, options)
}

func (r namespaces) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	return r.store.Create(ctx, obj, validate, options)
}

func (r namespaces) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, force bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, create, update, force, options)
}

func (r namespaces) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}
