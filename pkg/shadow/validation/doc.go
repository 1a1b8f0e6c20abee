// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation keeps nonsense out of a pool's server.
package validation
