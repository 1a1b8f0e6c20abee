// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package shadow

// underRace tells that the coordinators here run under the race detector, which
// makes them many times slower and larger.
const underRace = false
