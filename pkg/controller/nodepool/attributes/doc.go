// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package attributes keeps the labels, annotations and taints of a NodePool on
// its nodes, and takes them away from a node that leaves.
//
// # What belongs to the pool
//
// A node has labels from its kubelet, its owner and many controllers, and the
// pool must not take what is theirs. Server-side apply alone cannot tell: an
// ordinary update (kubectl label --overwrite) moves a field from an applier to
// the updater, so afterwards a changed label of the pool looks the same as a
// label that never was the pool's. So what the pool has put on a node is
// written down on the node, in the annotation
// nodepool.openyurt.io/previous-attributes. For a key that the pool asks for:
//
//	in the record                    the pool's: set it, whatever it is now
//	not in it, absent from the node  set it and record it
//	not in it, present, same value   share it: own the field, record nothing
//	not in it, present, other value  somebody else's: leave it, say so by Event
//
// and for a recorded key that the pool no longer asks for:
//
//	still with the recorded value    take it away, unless another applier
//	                                 also declares it
//	with another value               somebody else's by now: leave it
//
// Labels and annotations are owned by server-side apply, with FieldManager, so
// that kubectl get --show-managed-fields tells whose they are. Taints cannot be:
// spec.taints is an atomic list. They are told apart by key and effect, and
// patched under the node's resourceVersion.
//
// The record has OpenYurt's name and format, and the name of the pool as one
// field more, which OpenYurt ignores. A cluster that was run by OpenYurt needs no
// migration, and what OpenYurt left on nodes that have left their pool is taken
// away. A node that is as it should be is not written to add the name; the next
// write adds it.
//
// # A pool that is missing
//
// The API server does not delete a pool that has nodes. So a label that names no
// pool means that the pools were lost, or restored without this one, that a
// migration has not brought them yet, or that the name is wrong. Taking away the
// taints of a whole site would be the wrong answer to each of them. If the
// server confirms that the pool is missing, then
//
//	record of that pool, or without a name   everything stays as it is
//	record of another pool                   the node has left that one: what
//	                                         it gave is taken away
//
// and an Event on the node tells. When the pool is there (again), its nodes are
// brought to what it asks for, and taking the label off a node takes away what
// is recorded, as always.
//
// # Trust
//
// A kubelet may write the annotations and most labels of its own node, but the
// kube-apiserver does not let it change taints, nor certain labels. This
// controller may, and takes its orders from an annotation. So the record may not
// be written by a kubelet, nor may the pool be changed by one once it is set: a
// ValidatingAdmissionPolicy that is installed with yurt-manager sees to that.
// Should it be missing, the worst is still prevented: no pool may give what
// package poolattributes lists, and such entries of a record are ignored, so
// that no kubelet can shed the taint of a cordon or the label of a tenant.
//
// # Order of writes
//
// At any moment the record covers at least what the pool has put there, so
// nothing leaks when the process is killed between two writes:
//
//  1. apply labels, annotations and the record of all that is or will be there;
//  2. patch the taints, and labels that apply cannot remove because an updater
//     owns them too (OpenYurt's);
//  3. apply the record of what is there now.
//
// Most changes need only one of these. Every write carries the UID and the
// resourceVersion that the decision was made on. The first also keeps apply
// from creating a node that has just been deleted; the second turns a decision
// made on an old copy into a conflict, after which it is made again.
//
// # Cost
//
// One node is one work item, decided from the cache. Only before something is
// taken away, and before a pool is called missing, the server is asked. A node
// that is as it should be costs no request; heartbeats do not even queue it. A
// change of a pool's spec queues the members of this pool, behind single
// changes.
//
// A write that the server refuses, because the node would be too big or a
// webhook says no, is told by an Event on the node and tried again, at last
// every maxRetry.
package attributes
