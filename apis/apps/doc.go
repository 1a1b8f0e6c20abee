// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apps holds the hub (internal) types of the API group
// apps.openyurt.io. Every served version converts to and from them, and the
// registries work on nothing else. They carry the union of what the versions
// can say and have no wire form of their own.
//
// +k8s:deepcopy-gen=package
// +groupName=apps.openyurt.io
package apps // import "github.com/steppe-io/steppe/apis/apps"
