// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"path"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// These check single fields. All but required accept what is absent: nil
// pointers, empty strings, empty lists.

// required refuses what is absent. A number that is zero is absent, one that is
// pointed to is not; a pointer to an empty string is as good as none.
func required(v reflect.Value, at *field.Path, p *problems) {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		if v.Len() > 0 {
			return
		}
	case reflect.Pointer:
		if !v.IsNil() && (v.Elem().Kind() != reflect.String || v.Elem().Len() > 0) {
			return
		}
	default:
		if !v.IsZero() {
			return
		}
	}
	p.required(at, "")
}

// text makes a check of strings, pointers to them and lists of them from a
// function of k8s.io/apimachinery.
func text(check func(string) []string) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				p.each(at, v.Elem().String(), check(v.Elem().String()))
			}
		case reflect.Slice:
			for i := 0; i < v.Len() && !p.full(); i++ {
				p.each(at.Index(i), v.Index(i).String(), check(v.Index(i).String()))
			}
		default:
			if v.Len() > 0 {
				p.each(at, v.String(), check(v.String()))
			}
		}
	}
}

// maybe makes a check that accepts the empty string.
func maybe(check func(string) []string) func(string) []string {
	return func(value string) []string {
		if value == "" {
			return nil
		}
		return check(value)
	}
}

var (
	dnsLabel      = text(validation.IsDNS1123Label)
	subdomain     = text(validation.IsDNS1123Subdomain)
	configMapKey  = text(validation.IsConfigMapKey)
	qualifiedName = text(validation.IsQualifiedName)
	noBacksteps   = text(backsteps)
	// localPath is one inside of a volume, which must not look like what the
	// kubelet's atomic writer keeps there.
	localPath = text(func(value string) []string {
		messages := relative(value)
		if strings.HasPrefix(value, "..") && len(messages) == 0 {
			messages = append(messages, "must not start with '..'")
		}
		return messages
	})
	relativePath = text(relative)
	trimmed      = text(func(value string) []string {
		if strings.TrimSpace(value) != value {
			return []string{"must not have leading or trailing whitespace"}
		}
		return nil
	})
)

func relative(value string) []string {
	messages := backsteps(value)
	if path.IsAbs(value) {
		messages = append(messages, "must be a relative path")
	}
	return messages
}

func backsteps(value string) []string {
	for part := range strings.SplitSeq(value, "/") {
		if part == ".." {
			return []string{"must not contain '..'"}
		}
	}
	return nil
}

// number gives what an integer or a pointer to one is, if there is one.
func number(v reflect.Value) (int64, bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0, false
		}
		v = v.Elem()
	}
	return v.Int(), true
}

func between(low, high int64) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		if n, ok := number(v); ok && (n < low || n > high) {
			p.invalid(at, n, fmt.Sprintf("must be between %d and %d, inclusive", low, high))
		}
	}
}

// eachOf applies a check to the items of a list.
func eachOf(check visit) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		for i := 0; i < v.Len() && !p.full(); i++ {
			check(v.Index(i), at.Index(i), p)
		}
	}
}

func atLeast(low int64) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		if n, ok := number(v); ok && n < low {
			p.invalid(at, n, fmt.Sprintf("must be greater than or equal to %d", low))
		}
	}
}

var (
	nonNegative = atLeast(0)
	positive    = atLeast(1)
	portNumber  = between(1, 65535)
	fileMode    = between(0, 0o777)
	userID      = between(0, 1<<31-1)
)

// maxItems bounds a list or a map.
func maxItems(n int) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		if v.Len() > n {
			p.add(field.TooMany(at, v.Len(), n))
		}
	}
}

// maxLength bounds a string.
func maxLength(n int) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return
			}
			v = v.Elem()
		}
		if v.Len() > n {
			p.add(field.TooLong(at, "", n))
		}
	}
}

// uniqueBy refuses items of a list that agree in all the fields named, as in Go.
// Without names the items themselves must differ. What is empty is not compared.
func uniqueBy(names ...string) visit {
	return func(v reflect.Value, at *field.Path, p *problems) {
		seen := make(map[string]struct{}, v.Len())
		for i := 0; i < v.Len() && !p.full(); i++ {
			item, where, key := v.Index(i), at.Index(i), ""
			if len(names) == 0 {
				key = item.String()
			}
			for _, name := range names {
				f := item.FieldByName(name)
				key += f.String() + "\x00"
				if len(names) == 1 {
					key = f.String()
					if s, ok := item.Type().FieldByName(name); ok {
						where = where.Child(jsonName(s))
					}
				}
			}
			if _, ok := seen[key]; ok && key != "" {
				p.duplicate(where, strings.TrimSuffix(strings.ReplaceAll(key, "\x00", "/"), "/"))
			}
			seen[key] = struct{}{}
		}
	}
}

// quantity refuses negative quantities and lists of them.
func quantity(v reflect.Value, at *field.Path, p *problems) {
	switch q := v.Interface().(type) {
	case resource.Quantity:
		nonNegativeQuantity(q, at, p)
	case *resource.Quantity:
		if q != nil {
			nonNegativeQuantity(*q, at, p)
		}
	}
}

func nonNegativeQuantity(q resource.Quantity, at *field.Path, p *problems) {
	if q.Sign() < 0 {
		p.invalid(at, q.String(), "must be greater than or equal to 0")
	}
}

// labelMap checks keys and values of labels, or of a selector made of them.
func labelMap(v reflect.Value, at *field.Path, p *problems) {
	if labels := v.Interface().(map[string]string); len(labels) > 0 {
		p.add(unversioned.ValidateLabels(labels, at)...)
	}
}

// labelKey checks a string that is the key of a label, and must not be empty.
func labelKey(v reflect.Value, at *field.Path, p *problems) {
	p.add(unversioned.ValidateLabelName(v.String(), at)...)
}

// portNumberOrName checks ports that may be named.
func portNumberOrName(v reflect.Value, at *field.Path, p *problems) {
	port := v.Interface().(intstr.IntOrString)
	switch port.Type {
	case intstr.Int:
		p.each(at, port.IntVal, validation.IsValidPortNum(int(port.IntVal)))
	case intstr.String:
		p.each(at, port.StrVal, validation.IsValidPortName(port.StrVal))
	default:
		p.invalid(at, int64(port.Type), "must be a number or a name")
	}
}

// unchanged refuses a new value where the old one must stay.
func unchanged(p *problems, at *field.Path, now, before any) {
	p.add(apivalidation.ValidateImmutableField(now, before, at)...)
}
