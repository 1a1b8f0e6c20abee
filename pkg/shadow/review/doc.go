// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package review serves the reviews: requests that ask who a token or the caller
// is, and what someone may do. Nothing of them is stored.
//
// They are served on the types of k8s.io/api, and are as strict as
// kube-apiserver's.
package review
