// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shadow compares a pool's server with the real alternative: a
// kube-apiserver with its etcd, on the same machine, with the same objects, asked
// by the same clients. Both authenticate, authorize, admit and validate, and both
// write to disk before they answer.
//
// The figures of memory are those of processes, as the kernel counts them; for the
// alternative they are the sum of both processes.
package shadow
