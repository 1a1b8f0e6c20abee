// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// objects walks the objects of all kinds.
var objects = newWalker(allRules())

// Create says what is wrong with a new object, which has its defaults.
func Create(obj runtime.Object) field.ErrorList {
	p := &problems{limit: maxProblems}
	if absent(obj) {
		return field.ErrorList{field.InternalError(nil, errors.New("no object to validate"))}
	}
	k := kinds[reflect.TypeOf(obj)]
	if k.name != nil {
		if accessor, err := meta.Accessor(obj); err != nil {
			p.add(field.InternalError(nil, err))
		} else {
			p.add(apivalidation.ValidateObjectMetaAccessor(accessor, k.namespaced, k.name, field.NewPath("metadata"))...)
		}
	}
	k.content(obj, p)
	if k.create != nil {
		k.create(obj, p)
	}
	return p.list
}

// Update says what is wrong with a changed object, and with the change. What was
// wrong with the old object already does not stop it from being changed elsewhere:
// the cloud may be newer and know more than this server. That the metadata is well
// formed and keeps what it must, rest.BeforeUpdate checks.
func Update(obj, old runtime.Object) field.ErrorList {
	return changed(obj, old, func(k kind, p *problems) {
		k.newContent(obj, old, p)
		if k.update != nil {
			k.update(obj, old, p)
		}
	})
}

// UpdateStatus says what is wrong with a changed status.
func UpdateStatus(obj, old runtime.Object) field.ErrorList {
	return changed(obj, old, func(k kind, p *problems) {
		if k.status != nil {
			k.status(obj, old, p)
		}
	})
}

// UpdateEphemeralContainers says what is wrong with a pod whose ephemeral
// containers have changed, and with the change.
func UpdateEphemeralContainers(pod, old *corev1.Pod) field.ErrorList {
	return changed(pod, old, func(k kind, p *problems) {
		k.newContent(pod, old, p)
		updateEphemeralContainers(pod, old, p)
	})
}

// UpdateResize says what is wrong with a pod whose resources have changed, and
// with the change.
func UpdateResize(pod, old *corev1.Pod) field.ErrorList {
	return changed(pod, old, func(k kind, p *problems) {
		k.newContent(pod, old, p)
		updateResize(pod, old, p)
	})
}

// changed runs a check of two objects, if they are two of one type.
func changed(obj, old runtime.Object, check func(kind, *problems)) field.ErrorList {
	if absent(obj) || absent(old) || reflect.TypeOf(obj) != reflect.TypeOf(old) {
		return field.ErrorList{field.InternalError(nil, fmt.Errorf("cannot compare %T with %T", obj, old))}
	}
	p := &problems{limit: maxProblems}
	check(kinds[reflect.TypeOf(obj)], p)
	return p.list
}

func absent(obj runtime.Object) bool {
	v := reflect.ValueOf(obj)
	return v.Kind() != reflect.Pointer || v.IsNil()
}

// content checks what holds for new and for changed objects.
func (k kind) content(obj runtime.Object, p *problems) {
	if k.view != nil {
		objects.walk(k.view(obj), p)
	} else {
		objects.walk(obj, p)
	}
	if k.always != nil {
		k.always(obj, p)
	}
}

// newContent is content without the problems that the old object has as well.
func (k kind) newContent(obj, old runtime.Object, p *problems) {
	now := &problems{limit: maxCompared}
	k.content(obj, now)
	if len(now.list) == 0 {
		return
	}
	before := &problems{limit: maxCompared}
	k.content(old, before)
	known := make(map[string]struct{}, len(before.list))
	for _, err := range before.list {
		known[err.Error()] = struct{}{}
	}
	for _, err := range now.list {
		// There may be other problems behind those that fill a list.
		if _, ok := known[err.Error()]; !ok || now.full() {
			p.add(err)
		}
	}
}
