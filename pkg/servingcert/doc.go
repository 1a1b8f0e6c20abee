// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package servingcert gives an aggregated API server its serving certificate
// without anybody's help.
//
// The certificate and the CA that signed it live in a Secret, which all replicas
// share: the first one makes it, and whoever notices first renews it. The CA is
// written into the caBundle of the server's APIServices, so that the
// kube-apiserver verifies whom it talks to. A renewed CA is trusted beside the
// one before it until that has expired, so replicas may notice at different
// times.
//
// Whoever may write the Secret or the APIServices could take the server's
// place: guard them as you guard the kube-apiserver's own keys.
package servingcert
