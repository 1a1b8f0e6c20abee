// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builtin serves Kubernetes' own resources from a table: a row per
// resource, which says what sets it apart. The stores and strategies that carry
// rows out are the same for all. Adding a resource is adding a row.
//
// What the rows do not say is as the kube-apiserver has it, by the generic
// registry of k8s.io/apiserver. Validation, defaults and columns are in packages
// of their own.
package builtin
