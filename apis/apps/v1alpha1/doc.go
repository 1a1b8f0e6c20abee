// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the oldest, deprecated version of the API group apps.openyurt.io.
//
// +k8s:openapi-gen=true
// +k8s:deepcopy-gen=package
// +k8s:defaulter-gen=TypeMeta
// +k8s:conversion-gen=github.com/steppe-io/steppe/apis/apps
// +k8s:openapi-model-package=io.openyurt.apps.v1alpha1
// +groupName=apps.openyurt.io
package v1alpha1 // import "github.com/steppe-io/steppe/apis/apps/v1alpha1"
