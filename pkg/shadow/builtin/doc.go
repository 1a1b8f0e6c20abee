// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package builtin serves Kubernetes' own resources from a table: a row per
// resource, which says what sets it apart. The stores and strategies that carry
// rows out are the same for all. Adding a resource is adding a row.
//
// What the rows do not say is as the kube-apiserver has it, by the generic
// registry of k8s.io/apiserver. Validation, defaults and columns are in packages
// of their own. So is what happens after a deletion: finalizers that say what is to
// become of dependents are set here and taken away by package collect.
//
// The tests send the same requests to a kube-apiserver and to this package and
// compare the answers, field owners included. Known to differ are
//   - fields of features that are off by default, which a kube-apiserver drops from
//     what it stores;
//   - warnings about what is deprecated or unwise, of which there are none;
//   - the owner of the annotation that counts a DaemonSet's templates;
//   - the propagation policy of kinds whose objects have no dependents, which is
//     not heeded (rows that are Unsupported);
//   - reads of what versions of Kubernetes long ago have stored without fields that
//     are filled in today.
package builtin
