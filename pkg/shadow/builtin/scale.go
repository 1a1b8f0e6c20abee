// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// scaled are the parts of a workload that its scale shows.
type scaled struct {
	wanted   **int32
	is       int32
	selector func() (labels.Selector, error)
}

// scaledParts returns them. Wanted points into the object.
func scaledParts(obj runtime.Object) scaled {
	bySelector := func(s *metav1.LabelSelector) func() (labels.Selector, error) {
		return func() (labels.Selector, error) { return metav1.LabelSelectorAsSelector(s) }
	}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return scaled{&o.Spec.Replicas, o.Status.Replicas, bySelector(o.Spec.Selector)}
	case *appsv1.ReplicaSet:
		return scaled{&o.Spec.Replicas, o.Status.Replicas, bySelector(o.Spec.Selector)}
	case *appsv1.StatefulSet:
		return scaled{&o.Spec.Replicas, o.Status.Replicas, bySelector(o.Spec.Selector)}
	case *corev1.ReplicationController:
		return scaled{&o.Spec.Replicas, o.Status.Replicas, func() (labels.Selector, error) {
			return labels.Set(o.Spec.Selector).AsSelectorPreValidated(), nil
		}}
	default:
		panic(fmt.Sprintf("%T has no scale", obj)) // the rows that have are named in this package
	}
}

// scale serves the subresource scale of a workload.
type scale struct {
	store *Store
	// replicas is where the number is in each version of the workload.
	replicas managedfields.ResourcePathMappings
}

var (
	_ rest.Patcher                  = &scale{}
	_ rest.GroupVersionKindProvider = &scale{}
	_ rest.TableConvertor           = &scale{}
)

func newScale(of *Store) *scale {
	return &scale{store: of, replicas: managedfields.ResourcePathMappings{
		of.row.Kind.GroupVersion().String(): fieldpath.MakePathOrDie("spec", "replicas"),
	}}
}

// GroupVersionKind is the kind served, which is of another group than workloads.
func (s *scale) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// New returns an empty scale.
func (s *scale) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy does nothing: the store is the workload's, which closes it.
func (s *scale) Destroy() {}

// ConvertToTable prints a scale.
func (s *scale) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return s.store.ConvertToTable(ctx, obj, options)
}

// Get returns the scale of a workload.
func (s *scale) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	obj, err := s.store.Get(ctx, name, options)
	if err != nil {
		return nil, err
	}
	return scaleOf(obj)
}

// Update changes how many replicas a workload is to have.
func (s *scale) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	obj, _, err := s.store.Update(ctx, name, scaleUpdate{info, s, name},
		func(ctx context.Context, obj runtime.Object) error {
			scale, err := scaleOf(obj)
			if err != nil {
				return err
			}
			return create(ctx, scale)
		},
		func(ctx context.Context, obj, old runtime.Object) error {
			scale, err := scaleOf(obj)
			if err != nil {
				return err
			}
			was, err := scaleOf(old)
			if err != nil {
				return err
			}
			return update(ctx, scale, was)
		}, false, options)
	if err != nil {
		return nil, false, err
	}
	scale, err := scaleOf(obj)
	return scale, false, err
}

// scaleOf makes the scale of a workload.
func scaleOf(obj runtime.Object) (*autoscalingv1.Scale, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	parts := scaledParts(obj)
	selector, err := parts.selector()
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	scale := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name:              m.GetName(),
			Namespace:         m.GetNamespace(),
			UID:               m.GetUID(),
			ResourceVersion:   m.GetResourceVersion(),
			CreationTimestamp: m.GetCreationTimestamp(),
		},
		Status: autoscalingv1.ScaleStatus{Replicas: parts.is, Selector: selector.String()},
	}
	if *parts.wanted != nil {
		scale.Spec.Replicas = **parts.wanted
	}
	return scale, nil
}

// scaleUpdate makes the update of a workload out of that of its scale.
type scaleUpdate struct {
	rest.UpdatedObjectInfo
	scale *scale
	name  string
}

// UpdatedObject has the scale changed and carries the change over.
func (u scaleUpdate) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	obj := old.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	row := u.scale.store.row
	resource := schema.GroupResource{Group: row.Kind.Group, Resource: row.Name + "/scale"}
	if m.GetResourceVersion() == "" {
		return nil, apierrors.NewNotFound(resource, u.name)
	}
	// Who owns the number as a field of the scale, owns it in the workload too.
	owners := managedfields.NewScaleHandler(m.GetManagedFields(), row.Kind.GroupVersion(), u.scale.replicas)
	scale, err := scaleOf(obj)
	if err != nil {
		return nil, err
	}
	if scale.ManagedFields, err = owners.ToSubresource(); err != nil {
		return nil, err
	}
	changed, err := u.UpdatedObjectInfo.UpdatedObject(ctx, scale)
	if err != nil {
		return nil, err
	}
	scale, ok := changed.(*autoscalingv1.Scale)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale, not %T", changed))
	}
	if errs := validateScale(scale); len(errs) > 0 {
		return nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), u.name, errs)
	}
	if scale.UID != "" && scale.UID != m.GetUID() {
		return nil, apierrors.NewConflict(resource, u.name,
			fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", scale.UID, m.GetUID())) //nolint:staticcheck // the words of the API
	}
	*scaledParts(obj).wanted = &scale.Spec.Replicas
	m.SetResourceVersion(scale.ResourceVersion)
	fields, err := owners.ToParent(scale.ManagedFields)
	if err != nil {
		return nil, err
	}
	m.SetManagedFields(fields)
	return obj, nil
}

func validateScale(scale *autoscalingv1.Scale) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&scale.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	return append(errs, apivalidation.ValidateNonnegativeField(int64(scale.Spec.Replicas), field.NewPath("spec", "replicas"))...)
}
