// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// The built-in types have TypeMeta, ObjectMeta, for many a Status, and content:
// the rest, in most a Spec.

// statusOf returns the status of an object, which must have one.
func statusOf(obj runtime.Object) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName("Status")
}

// clearStatus empties the status.
func clearStatus(obj runtime.Object) { statusOf(obj).SetZero() }

// copyStatus gives an object the status of another. They share it then.
func copyStatus(to, from runtime.Object) { statusOf(to).Set(statusOf(from)) }

// copyContent gives an object the content of another. They share it then.
func copyContent(to, from runtime.Object) {
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range target.NumField() {
		if isContent(target.Type().Field(i).Name) {
			target.Field(i).Set(source.Field(i))
		}
	}
}

// sameContent says whether two objects have the same content.
func sameContent(a, b runtime.Object) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		if isContent(x.Type().Field(i).Name) && !equality.Semantic.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			return false
		}
	}
	return true
}

func isContent(field string) bool {
	return field != "TypeMeta" && field != "ObjectMeta" && field != "Status"
}
