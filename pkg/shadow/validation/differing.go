// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"reflect"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// differing names the fields in which two structs of one type differ, as the end
// of a message. Both are pointers.
func differing(a, b any) string {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	var names []string
	for i := range x.NumField() {
		if !apiequality.Semantic.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			names = append(names, "`"+jsonName(x.Type().Field(i))+"`")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; what differs is in " + strings.Join(names, ", ")
}
