// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package node limits kubelets to what their node needs, as kube-apiserver 1.36
// does with its default feature gates. A kubelet is a user named
// system:node:NAME in the group system:nodes.
//
// It has two halves that need each other. The [Authorizer] decides by the request
// alone: what a kubelet may read depends on the pods bound to its node, which a
// [Graph] knows from informers, and on a fixed list of rules. The [Restriction] is
// an admission plugin: it sees the objects that a kubelet writes, and refuses what
// is not its own. Without it a kubelet could change other nodes, or give itself a
// pod that mentions a Secret it wants to read.
//
// The graph runs a moment behind the pods. A kubelet that hears of its pod first
// is refused and asks again, as it does with kube-apiserver. Before the graph has
// heard of all that existed when it started, though, a refusal could be wrong for
// every object of a node; so then the Authorizer answers with an error, which
// clients get as an internal error that they retry, and nothing can mistake it for
// a decision.
//
// Pods stripped by [StripPod] are enough for the graph.
package node
