// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// rule says what values of a Go type must be like, wherever in an object one
// occurs.
type rule struct {
	typ reflect.Type
	// whole checks what concerns several fields. It may be nil.
	whole  visit
	fields []fieldRule
}

// fieldRule are the checks of one field, named as in JSON.
type fieldRule struct {
	name   string
	checks []visit
}

// of makes a rule for values of type T.
func of[T any](fields ...fieldRule) rule {
	return rule{typ: reflect.TypeFor[T](), fields: fields}
}

// also adds a check of the whole value to a rule.
func also[T any](r rule, whole func(value *T, at *field.Path, p *problems)) rule {
	if r.typ != reflect.TypeFor[T]() || r.whole != nil {
		panic(fmt.Sprintf("a check that cannot be added to the rule for %s", r.typ)) // a mistake in this package, at its start
	}
	r.whole = func(v reflect.Value, at *field.Path, p *problems) { whole(v.Addr().Interface().(*T), at, p) }
	return r
}

// whole makes a rule of nothing but a check of the whole value.
func whole[T any](check func(value *T, at *field.Path, p *problems)) rule {
	return also(of[T](), check)
}

// unionOf makes a rule for structs of pointers of which one must be set.
func unionOf[T any](what string) rule {
	r := of[T]()
	r.whole = func(v reflect.Value, at *field.Path, p *problems) {
		set := 0
		for i := range v.NumField() {
			member := v.Field(i)
			if member.Kind() != reflect.Pointer || member.IsNil() {
				continue
			}
			if set++; set > 1 {
				p.forbidden(at.Child(jsonName(v.Type().Field(i))), "may not specify more than 1 "+what)
			}
		}
		if set == 0 {
			p.required(at, "must specify a "+what)
		}
	}
	return r
}

// f names the checks of a field.
func f(name string, checks ...visit) fieldRule { return fieldRule{name, checks} }

// fieldVisits turns the names of fields into their places.
func (r rule) fieldVisits() []visit {
	visits := make([]visit, 0, len(r.fields))
	for _, rule := range r.fields {
		index := fieldIndex(r.typ, rule.name)
		visits = append(visits, func(v reflect.Value, at *field.Path, p *problems) {
			value, inside := v.FieldByIndex(index), at.Child(rule.name)
			for _, check := range rule.checks {
				check(value, inside, p)
			}
		})
	}
	return visits
}

// fieldIndex finds a field by its name in JSON, inlined ones too.
func fieldIndex(t reflect.Type, name string) []int {
	for _, f := range reflect.VisibleFields(t) {
		if jsonName(f) == name {
			return f.Index
		}
	}
	panic(fmt.Sprintf("%s has no field %s", t, name)) // a mistake in this package, found by any test
}
