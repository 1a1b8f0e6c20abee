// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shadow is the API server of a pool: a Kubernetes API, on an etcd of the
// pool's own, for when the cloud cannot be reached. kubelets, kube-proxy,
// informers and kubectl use it as they use a kube-apiserver.
//
// It trusts whom the cluster trusts and permits what the cluster permits, without
// asking anybody: certificates of the cluster's client CA, tokens that the
// cluster's keys have signed, and the roles, bindings and policies that it has a
// copy of. Tokens that it issues itself are good in the pool only.
//
// What stands behind each resource is in packages below: builtin has the table of
// Kubernetes' resources, customresource what definitions add, auth who may come
// in and what they may do.
//
// Deliberately missing: the controllers and the scheduler of a control plane, API
// priority and fairness, admission webhooks, and resource quotas. What needs them
// is done in the cloud.
package shadow
