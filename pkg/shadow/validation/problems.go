// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// maxProblems bounds an answer: whoever sends a list of a hundred thousand bad
	// items learns of the first ones.
	maxProblems = 100
	// maxCompared bounds what is compared with the problems of the old object.
	maxCompared = 1000
)

// problems collects what is wrong with an object, up to a limit.
type problems struct {
	limit int
	list  field.ErrorList
}

// full tells that nothing more needs to be found.
func (p *problems) full() bool { return len(p.list) >= p.limit }

func (p *problems) add(errs ...*field.Error) {
	p.list = append(p.list, errs[:min(len(errs), max(0, p.limit-len(p.list)))]...)
}

func (p *problems) required(at *field.Path, why string) { p.add(field.Required(at, why)) }

func (p *problems) forbidden(at *field.Path, why string) { p.add(field.Forbidden(at, why)) }

func (p *problems) invalid(at *field.Path, value any, why string) {
	p.add(field.Invalid(at, value, why))
}

func (p *problems) duplicate(at *field.Path, value any) { p.add(field.Duplicate(at, value)) }

func (p *problems) notFound(at *field.Path, value any) { p.add(field.NotFound(at, value)) }

// each adds what a check of k8s.io/apimachinery says about a value.
func (p *problems) each(at *field.Path, value any, messages []string) {
	for _, message := range messages {
		p.invalid(at, value, message)
	}
}

// listed refuses a value that is none of those allowed.
func listed[T ~string](p *problems, at *field.Path, value T, allowed ...T) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	p.add(field.NotSupported(at, value, allowed))
}

// specified tells which fields of a struct are.
type specified []struct {
	name string
	is   bool
}

// forbidEach refuses the fields that are specified.
func (p *problems) forbidEach(at *field.Path, why string, fields specified) {
	for _, f := range fields {
		if f.is {
			p.forbidden(at.Child(f.name), why)
		}
	}
}
