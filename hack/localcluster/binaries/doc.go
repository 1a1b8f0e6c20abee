// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package binaries builds the third-party programs that the local cluster and
// the integration tests run (Kubernetes, etcd, containerd, CNI plugins) from
// the modules under hack/binaries, and keeps them in a cache.
//
// The cache lies outside the checkout and is addressed by content: a
// directory is named after a module and the hash of its go.mod, its go.sum,
// the Go version and the build flags. Two checkouts share it, and changing a
// version never serves the old program. A program enters its directory by
// rename, so what is there is complete; a lock file per module keeps two
// builders from compiling the same program twice.
//
// runc is not built: it needs cgo and libseccomp, so the distribution's is
// used (see package localcluster's list of required packages).
package binaries
