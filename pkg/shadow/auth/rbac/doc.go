// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rbac decides who may do what by the roles and bindings that a pool
// mirrors, as kube-apiserver would by the originals, and without asking anybody.
//
// An [Authorizer] answers every request of the pool's API server, so it finds
// the bindings of a user through an index of subjects that the informers of
// bindings keep, instead of looking at all of them. Nothing is cached beyond the
// informers: a binding that is taken away in the cloud stops counting as soon as
// its deletion is mirrored.
//
// Rights only add up. A binding to a role that does not exist gives nothing, is
// mentioned in the reason of a refusal, and does not hide other bindings.
// Aggregated ClusterRoles arrive with their rules filled in; nothing aggregates
// here. Members of system:masters are not special to an Authorizer: they are let
// through by an authorizer of their own in front of it.
//
// An [EscalationGuard] keeps people from giving rights that they do not have.
package rbac
