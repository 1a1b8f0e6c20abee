// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v2 defaults the types of k8s.io/api/autoscaling/v2.
//
// +k8s:defaulter-gen=TypeMeta
// +k8s:defaulter-gen-input=k8s.io/api/autoscaling/v2
package v2
