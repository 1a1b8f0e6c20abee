// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// visit checks a value and what is inside it. The value is addressable.
type visit func(v reflect.Value, at *field.Path, p *problems)

// walker applies rules wherever in an object their types occur. What to visit is
// found out once per type: most of an object has no rules and is never looked at.
type walker struct {
	rules map[reflect.Type]rule

	mu     sync.Mutex
	visits map[reflect.Type]*planned
}

// planned is a visit that is known, nil if there is nothing to check, or, of a
// type that contains itself, about to be.
type planned struct {
	visit   visit
	pending bool
}

func newWalker(rules []rule) *walker {
	w := &walker{rules: map[reflect.Type]rule{}, visits: map[reflect.Type]*planned{}}
	for _, r := range rules {
		if _, ok := w.rules[r.typ]; ok {
			panic(fmt.Sprintf("two rules for %s", r.typ)) // a mistake in this package, at its start
		}
		w.rules[r.typ] = r
	}
	return w
}

// walk checks an object, which is a pointer, but not its status.
func (w *walker) walk(object any, p *problems) {
	v := reflect.ValueOf(object).Elem()
	if visit := w.visitOf(v.Type()); visit != nil {
		visit(v, nil, p)
	}
}

func (w *walker) visitOf(t reflect.Type) visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plan(t)
}

func (w *walker) plan(t reflect.Type) visit {
	if known, ok := w.visits[t]; ok {
		if known.pending {
			return func(v reflect.Value, at *field.Path, p *problems) {
				if known.visit != nil {
					known.visit(v, at, p)
				}
			}
		}
		return known.visit
	}
	entry := &planned{pending: true}
	w.visits[t] = entry
	inside := w.planInside(t)
	r, ruled := w.rules[t]
	if !ruled {
		entry.visit = inside
	} else {
		checks := r.fieldVisits()
		entry.visit = func(v reflect.Value, at *field.Path, p *problems) {
			if p.full() {
				return
			}
			if r.whole != nil {
				r.whole(v, at, p)
			}
			for _, check := range checks {
				check(v, at, p)
			}
			if inside != nil {
				inside(v, at, p)
			}
		}
	}
	entry.pending = false
	return entry.visit
}

func (w *walker) planInside(t reflect.Type) visit {
	switch t.Kind() {
	case reflect.String:
		return planEnum(t)
	case reflect.Pointer:
		elem := w.planElem(t.Elem())
		if elem == nil {
			return nil
		}
		return func(v reflect.Value, at *field.Path, p *problems) {
			if !v.IsNil() {
				elem(v.Elem(), at, p)
			}
		}
	case reflect.Slice:
		elem := w.planElem(t.Elem())
		if elem == nil {
			return nil
		}
		return func(v reflect.Value, at *field.Path, p *problems) {
			for i := 0; i < v.Len() && !p.full(); i++ {
				elem(v.Index(i), at.Index(i), p)
			}
		}
	case reflect.Map:
		elem := w.plan(t.Elem())
		if elem == nil || t.Key().Kind() != reflect.String {
			return nil
		}
		return func(v reflect.Value, at *field.Path, p *problems) {
			keys := v.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
			value := reflect.New(t.Elem()).Elem()
			for _, key := range keys {
				if p.full() {
					return
				}
				value.Set(v.MapIndex(key))
				elem(value, at.Key(key.String()), p)
			}
		}
	case reflect.Struct:
		return w.planStruct(t)
	}
	return nil
}

func (w *walker) planStruct(t reflect.Type) visit {
	type step struct {
		index int
		name  string // empty if the field is inlined
		visit visit
	}
	var steps []step
	for i := range t.NumField() {
		f := t.Field(i)
		// What controllers and nodes report is theirs to say, and may come
		// from newer ones than this server.
		if !f.IsExported() || f.Name == "Status" && strings.HasSuffix(f.Type.Name(), "Status") {
			continue
		}
		if visit := w.plan(f.Type); visit != nil {
			steps = append(steps, step{i, jsonName(f), visit})
		}
	}
	if len(steps) == 0 {
		return nil
	}
	return func(v reflect.Value, at *field.Path, p *problems) {
		for _, s := range steps {
			if p.full() {
				return
			}
			inside := at
			if s.name != "" {
				inside = at.Child(s.name)
			}
			s.visit(v.Field(s.index), inside, p)
		}
	}
}

// planEnum checks enumerated strings by the generated table. That one must not be
// empty is for its field to say.
func planEnum(t reflect.Type) visit {
	check := enumCheck(t)
	if check == nil {
		return nil
	}
	return func(v reflect.Value, at *field.Path, p *problems) {
		if v.Len() > 0 {
			check(v, at, p)
		}
	}
}

// planElem is for what is in a list or behind a pointer. There an enumerated string
// is specified even if it is empty.
func (w *walker) planElem(t reflect.Type) visit {
	if check := enumCheck(t); check != nil && !slices.Contains(maybeEmpty, t) {
		return check
	}
	return w.plan(t)
}

// maybeEmpty are enumerated types of which the empty string is a value.
var maybeEmpty = []reflect.Type{reflect.TypeFor[corev1.HostPathType](), reflect.TypeFor[corev1.PersistentVolumeReclaimPolicy]()}

func enumCheck(t reflect.Type) visit {
	allowed, ok := enums[t]
	if !ok {
		return nil
	}
	return func(v reflect.Value, at *field.Path, p *problems) {
		if value := v.String(); !slices.Contains(allowed, value) {
			p.add(field.NotSupported(at, value, allowed))
		}
	}
}

// jsonName is empty for inlined fields.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
