// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package resourcemetrics serves metrics.k8s.io/v1beta1: what nodes and pods use of
// CPU and memory, as kubectl top asks for it.
//
// In a cluster a metrics-server does this. A pool has none, but its server reaches
// the kubelets, so it asks those that a request is about when the request comes, and
// nothing runs or is collected between requests. The CPU usage is the rate that a
// kubelet has computed itself.
//
// At most maxAsking kubelets are asked at a time, each for at most askTimeout and
// all of one list for at most listTimeout. Their answers are good for freshFor. A
// list lacks what did not answer; who asks for one object is told why.
package resourcemetrics
