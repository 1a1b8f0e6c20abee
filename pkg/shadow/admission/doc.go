// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package admission has small versions of the admission plugins that a
// kube-apiserver runs by default: an object created on site gets what it would get
// in the cloud, and what the cloud would refuse is refused. They work on versioned
// types and read what they need from the server's own storage when they need it:
// writes by people are few on site, and informers would hold in memory what is
// rarely looked at. So a plugin sees every write that came before.
//
// Deliberately missing are
//   - ResourceQuota: what is used is counted by a controller that runs in the cloud.
//     Quotas are served, not enforced; the cloud enforces its own on all that
//     reaches it.
//   - StorageObjectInUseProtection and PodGroupProtection, whose finalizers
//     controllers in the cloud take away.
//   - TaintNodesByCondition, whose taint the cloud's node controller takes away.
//   - Webhooks, which an outage would leave without an answer.
//   - What is for features that are off by default.
package admission
