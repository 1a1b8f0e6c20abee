// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fill gives a value to fields that have none, and leaves the others
// as they are.
package fill

// Zero sets a field that is the zero value of its type.
func Zero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Nil points a field that is nil at a value of its own, so that two fields
// never share one.
func Nil[T any](field **T, value T) {
	if *field == nil {
		own := value // the parameter itself would be allocated in any case
		*field = &own
	}
}
