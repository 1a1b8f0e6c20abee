// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/steppe-io/steppe/pkg/shadow/table"
)

// Resource is a row of the table: all that sets one resource apart from others.
type Resource struct {
	// Kind is the group, version and kind that is served.
	Kind schema.GroupVersionKind
	// Name is the plural by which the API knows the resource.
	Name string
	// Singular is the name of one.
	Singular string
	// ShortNames are what kubectl takes for Name.
	ShortNames []string
	// Categories are the sets of resources that kubectl gets at once.
	Categories []string
	// ClusterScoped resources have no namespace.
	ClusterScoped bool
	// Key is the folder of the resource in etcd, as the kube-apiserver has it.
	// Empty means Name.
	Key string

	// Columns are what kubectl shows. Without any it shows name and age.
	Columns table.Columns

	// Fields can be selected by, beside name and namespace.
	Fields []Field

	// Status tells that the object has a status, which the subresource status
	// alone writes.
	Status bool
	// StatusOnCreate lets the creator of an object set its status.
	StatusOnCreate bool
	// Generation tells that metadata.generation counts changes of what is
	// neither metadata nor status.
	Generation bool
	// CreateOnUpdate lets an update create the object.
	CreateOnUpdate bool
	// MustNameVersion refuses updates that name no resourceVersion.
	MustNameVersion bool
	// ReturnsDeleted has a deletion answered with the object as it was, not with
	// a mere success.
	ReturnsDeleted bool
	// Dependents is what becomes of an object's dependents if its deleter does
	// not say. Empty means that they are deleted. Unsupported means that there
	// are none, whatever the deleter says; these package collect does not follow.
	Dependents rest.GarbageCollectionPolicy

	// Resets are what an update of the object cannot change, for appliers not to
	// own it. Empty means the status, if there is one.
	Resets []string
	// StatusResets is the same for updates of the status. Empty means the spec.
	StatusResets []string
	// StatusAlone has updates of the status leave labels, annotations, owners and
	// finalizers alone as well.
	StatusAlone bool
	// Expires has objects deleted after the time for events.
	Expires bool
	// Cached keeps all objects in memory, for watches and lists to be served
	// from. It pays where many watch the same objects or ask for few of many;
	// without it each watch and list is etcd's own.
	Cached bool

	// Hooks are what the resource does beyond all this.
	Hooks Hooks
}

// Field can be selected by.
type Field struct {
	// Label is the field's path, such as spec.nodeName.
	Label string
	// Value returns the field of an object.
	Value func(obj runtime.Object) string
	// Indexed has lists and watches that select by the field look at those
	// objects alone.
	Indexed bool
}

// Hooks are a resource's own rules. Each may be nil. Old objects belong to the
// cache and must not be changed.
type Hooks struct {
	// PrepareForCreate sets what a client may not.
	PrepareForCreate func(ctx context.Context, obj runtime.Object)
	// PrepareForUpdate resets what a client may not change.
	PrepareForUpdate func(ctx context.Context, obj, old runtime.Object)
	// PrepareForStatusUpdate resets what the subresource status may not change,
	// beside the spec. The object shares the spec with the old one.
	PrepareForStatusUpdate func(ctx context.Context, obj, old runtime.Object)
	// Validate adds to what package validation finds.
	Validate func(ctx context.Context, obj runtime.Object) field.ErrorList
	// Counts adds to what the generation counts.
	Counts func(obj, old runtime.Object) bool
	// Canonicalize finishes a valid object, whose name is known by now.
	Canonicalize func(obj runtime.Object)
	// ShouldDelete says whether an update that leaves an object without finalizers
	// completes its deletion. Nil means that it does.
	ShouldDelete func(ctx context.Context, key string, obj, old runtime.Object) bool
	// CheckGracefulDelete has the object deleted after a time, by whoever
	// answers for it, and says how long.
	CheckGracefulDelete func(ctx context.Context, obj runtime.Object, options *metav1.DeleteOptions) bool
	// Warnings are for the client who creates or updates.
	Warnings func(ctx context.Context, obj runtime.Object) []string
}

// GroupResource names the resource.
func (r *Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Kind.Group, Resource: r.Name}
}

// on makes a hook for one type of objects out of one for objects.
func on[T runtime.Object](f func(ctx context.Context, obj T)) func(context.Context, runtime.Object) {
	return func(ctx context.Context, obj runtime.Object) { f(ctx, obj.(T)) }
}

// onUpdate does so for hooks that see the object as it was, too.
func onUpdate[T runtime.Object](f func(ctx context.Context, obj, old T)) func(context.Context, runtime.Object, runtime.Object) {
	return func(ctx context.Context, obj, old runtime.Object) { f(ctx, obj.(T), old.(T)) }
}

// by makes a field that can be selected by.
func by[T runtime.Object, V ~string | ~bool | ~int32](label string, value func(obj T) V) Field {
	return Field{Label: label, Value: func(obj runtime.Object) string { return fmt.Sprint(value(obj.(T))) }}
}

// indexed marks a field.
func indexed(f Field) Field {
	f.Indexed = true
	return f
}
