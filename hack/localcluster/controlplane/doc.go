// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controlplane runs a stock Kubernetes control plane: etcd and
// kube-apiserver, and if asked kube-controller-manager and kube-scheduler.
//
// Start is for tests: everything on loopback and free ports, no root needed,
// any number side by side, and nothing survives the calling process. A whole
// test package usually shares one:
//
//	cp, err := controlplane.Start(ctx, controlplane.Config{Dir: dir})
//	...
//	defer cp.Stop()
//	client, err := kubernetes.NewForConfig(cp.RESTConfig())
//
// Prepare does all of Start but running the processes. The local cluster uses
// it, since there the machine's own init keeps them running.
//
// The API server is set up as kubeadm does: Node and RBAC authorization,
// NodeRestriction, the aggregation layer with an authority of its own for the
// front proxy, bound service account tokens. Differences are only what a test
// wants: etcd does not fsync unless told to, and there is no audit log.
package controlplane
