// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nodepool stores NodePools: what OpenYurt does in webhooks and lossy
// conversions for this kind is done here, before an object is written.
package nodepool
