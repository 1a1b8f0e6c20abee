// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1 defaults the types of k8s.io/api/core/v1, and brings what they hold
// twice into step.
//
// Some facts have two fields: an older one, and a newer one that replaced it.
// kube-apiserver keeps the newer one and derives the other whenever it decodes
// or encodes; here both are stored, so each pair is settled as it is decoded.
// What sets one of such a pair later, an admission plugin for instance, has to
// set the other as well.
//
// +k8s:defaulter-gen=TypeMeta
// +k8s:defaulter-gen-input=k8s.io/api/core/v1
package v1
