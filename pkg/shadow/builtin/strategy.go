// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/steppe-io/steppe/pkg/shadow/validation"
)

// strategy carries out what a row says.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	row *Resource
}

var (
	_ rest.RESTCreateStrategy  = &strategy{}
	_ rest.RESTUpdateStrategy  = &strategy{}
	_ rest.RESTDeleteStrategy  = &strategy{}
	_ rest.ResetFieldsStrategy = &strategy{}

	_ rest.GarbageCollectionDeleteStrategy = &strategy{}
)

func (s *strategy) NamespaceScoped() bool { return !s.row.ClusterScoped }

func (s *strategy) PrepareForCreate(ctx context.Context, obj runtime.Object) {
	if s.row.Status && !s.row.StatusOnCreate {
		clearStatus(obj)
	}
	if s.row.Generation {
		setGeneration(obj, 1)
	}
	if f := s.row.Hooks.PrepareForCreate; f != nil {
		f(ctx, obj)
	}
}

func (s *strategy) Validate(ctx context.Context, obj runtime.Object) field.ErrorList {
	errs := validation.Create(obj)
	if f := s.row.Hooks.Validate; f != nil {
		errs = append(errs, f(ctx, obj)...)
	}
	return errs
}

func (s *strategy) WarningsOnCreate(ctx context.Context, obj runtime.Object) []string {
	if f := s.row.Hooks.Warnings; f != nil {
		return f(ctx, obj)
	}
	return nil
}

func (s *strategy) Canonicalize(obj runtime.Object) {
	if f := s.row.Hooks.Canonicalize; f != nil {
		f(obj)
	}
}

func (s *strategy) AllowCreateOnUpdate() bool { return s.row.CreateOnUpdate }

func (s *strategy) AllowUnconditionalUpdate() bool { return !s.row.MustNameVersion }

func (s *strategy) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	if s.row.Status {
		copyStatus(obj, old)
	}
	if f := s.row.Hooks.PrepareForUpdate; f != nil {
		f(ctx, obj, old)
	}
	if s.row.Generation {
		s.countChange(obj, old)
	}
}

func (s *strategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	errs := validation.Update(obj, old)
	if f := s.row.Hooks.Validate; f != nil {
		errs = append(errs, f(ctx, obj)...)
	}
	return errs
}

func (s *strategy) WarningsOnUpdate(ctx context.Context, obj, _ runtime.Object) []string {
	return s.WarningsOnCreate(ctx, obj)
}

func (s *strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	switch {
	case len(s.row.Resets) > 0:
		return s.resets(s.row.Resets)
	case s.row.Status:
		return s.resets([]string{"status"})
	default:
		return nil
	}
}

// resets turns paths such as "status.conditions" into what the machinery asks for.
func (s *strategy) resets(paths []string) map[fieldpath.APIVersion]*fieldpath.Set {
	set := fieldpath.NewSet()
	for _, path := range paths {
		names := strings.Split(path, ".")
		parts := make([]any, len(names))
		for i, name := range names {
			parts[i] = name
		}
		set.Insert(fieldpath.MakePathOrDie(parts...))
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(s.row.Kind.GroupVersion().String()): set,
	}
}

func (s *strategy) DefaultGarbageCollectionPolicy(context.Context) rest.GarbageCollectionPolicy {
	if s.row.Dependents != "" {
		return s.row.Dependents
	}
	return rest.DeleteDependents
}

// gracefulStrategy deletes after a time.
type gracefulStrategy struct {
	*strategy
}

var _ rest.RESTGracefulDeleteStrategy = gracefulStrategy{}

func (s gracefulStrategy) CheckGracefulDelete(ctx context.Context, obj runtime.Object, options *metav1.DeleteOptions) bool {
	return s.row.Hooks.CheckGracefulDelete(ctx, obj, options)
}

// statusStrategy writes the status alone.
type statusStrategy struct {
	*strategy
}

// PrepareForUpdate keeps the uid that the client gave: what it writes about an
// object that is gone must be refused when another has its name.
func (s statusStrategy) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	copyContent(obj, old)
	if s.row.StatusAlone {
		keepMetadata(obj, old)
	}
	if f := s.row.Hooks.PrepareForStatusUpdate; f != nil {
		f(ctx, obj, old)
	}
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.UpdateStatus(obj, old)
}

func (statusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

func (s statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	paths := []string{"spec"}
	if len(s.row.StatusResets) > 0 {
		paths = s.row.StatusResets
	}
	return s.resets(paths)
}

func setGeneration(obj runtime.Object, generation int64) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetGeneration(generation)
	}
}

// countChange raises the generation if what it counts has changed.
func (s *strategy) countChange(obj, old runtime.Object) {
	m, err := meta.Accessor(old)
	if err != nil {
		return
	}
	generation := m.GetGeneration()
	if f := s.row.Hooks.Counts; !sameContent(obj, old) || f != nil && f(obj, old) {
		generation++
	}
	setGeneration(obj, generation)
}

// keepMetadata gives an object the metadata of another, except what tells which
// object of which version is meant.
func keepMetadata(obj, old runtime.Object) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return
	}
	if kept, err := meta.Accessor(old); err == nil {
		metav1.ResetObjectMetaForStatus(m, kept)
	}
}
