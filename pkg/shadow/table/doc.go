// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package table has the columns by which kubectl users know the built-in
// resources: what kube-apiserver answers when a client asks for a Table. There is
// one variable per resource, made from the external v1 types. Names, types,
// order and cells are those of kube-apiserver, which the tests compare with.
//
// Where kube-apiserver has no columns of its own for a resource (roles,
// clusterroles, limitranges, csistoragecapacities), there is no variable either:
// a convertor of the zero Columns prints name and time of creation.
//
// Objects are read and never changed, so they may come from a cache. Columns
// must cope with any object that decodes, defaulted and valid or not: a panic
// here would hide a whole list.
package table
