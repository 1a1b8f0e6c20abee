// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"

	"k8s.io/apimachinery/pkg/runtime"
)

// kind is how the objects of one kind are validated, beyond what the rules for the
// types inside of them say. The functions may be nil.
type kind struct {
	namespaced bool
	// name checks names; nil if that is not for this package to do.
	name apivalidation.ValidateNameFunc
	// view is what is looked at in place of the object itself.
	view func(runtime.Object) runtime.Object
	// always holds for new and for changed objects.
	always, create func(runtime.Object, *problems)
	// update and status compare with the old object.
	update, status func(obj, old runtime.Object, p *problems)
}

// definition is a kind whose functions know its Go type.
type definition[T runtime.Object] struct {
	namespaced     bool
	name           apivalidation.ValidateNameFunc
	view           func(T) T
	always, create func(T, *problems)
	update, status func(obj, old T, p *problems)
}

// define puts a definition into the table of kinds.
func define[T runtime.Object](table map[reflect.Type]kind, d definition[T]) {
	one := func(check func(T, *problems)) func(runtime.Object, *problems) {
		if check == nil {
			return nil
		}
		return func(obj runtime.Object, p *problems) { check(obj.(T), p) }
	}
	two := func(check func(T, T, *problems)) func(_, _ runtime.Object, _ *problems) {
		if check == nil {
			return nil
		}
		return func(obj, old runtime.Object, p *problems) { check(obj.(T), old.(T), p) }
	}
	var view func(runtime.Object) runtime.Object
	if d.view != nil {
		view = func(obj runtime.Object) runtime.Object { return d.view(obj.(T)) }
	}
	table[reflect.TypeFor[T]()] = kind{d.namespaced, d.name, view, one(d.always), one(d.create), two(d.update), two(d.status)}
}

// The names that most kinds have.
var (
	subdomainName = apivalidation.ValidateNameFunc(apivalidation.NameIsDNSSubdomain)
	labelName     = apivalidation.ValidateNameFunc(apivalidation.NameIsDNSLabel)
	segmentName   = apivalidation.ValidateNameFunc(func(name string, _ bool) []string { return content.IsPathSegmentName(name) })
)
