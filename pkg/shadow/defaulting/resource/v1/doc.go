// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1 defaults the types of k8s.io/api/resource/v1.
//
// +k8s:defaulter-gen=TypeMeta
// +k8s:defaulter-gen-input=k8s.io/api/resource/v1
package v1
