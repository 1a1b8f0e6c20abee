// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package localcluster brings up a real Kubernetes cluster with edge nodes on
// one Linux machine, to try Steppe and to test it. Nothing is simulated: every
// node is a machine of its own (package box) with a stock kubelet, containerd
// and kube-proxy, and the links between machines can be cut, their plugs
// pulled, their processes killed.
//
//	host ── 10.77.i.1 ──┐
//	                    │ bridge in the network namespace steppe-<name>-wan
//	     ┌──────────────┼──────────────┐
//	 10.77.i.10     10.77.i.11     10.77.i.12 ...
//	   cloud          edge-1         edge-2
//
// The machine cloud runs the control plane (package controlplane) and is a
// node, too, so that Steppe's servers run as pods. Pods have 10.244.n.0/24 on
// the n-th machine, routed without tunnels. Several clusters can run side by
// side: each has its own number i and its own namespaces.
//
// Up is idempotent: it makes what is missing, mends what is broken, and
// installs what changed. All that a cluster consists of carries its name, so
// that Down finds it even if Up was killed half-way:
//
//	/var/lib/steppe-local/<name>/       everything that is stored
//	/run/netns/steppe-<name>-*          network namespaces
//	/sys/fs/cgroup/**/steppe-<name>/    control groups
//	steppe<i>                           the host's network device
package localcluster
