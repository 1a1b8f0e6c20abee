// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package collect completes deletions. An API server only marks what is to be done:
// dependents that go with their owner or are orphaned, namespaces that end. In a
// cluster kube-controller-manager does it. A pool has none, so one of its
// coordinators runs this small replacement.
//
// # What it does
//
// When an owner is gone, its dependents are deleted, unless another owner of theirs
// is still there. An owner that is deleted in the foreground goes when the
// dependents that hold it up have gone; one whose dependents are to be orphaned
// goes when none names it any more. A namespace that ends is emptied, pods first,
// and then let go.
//
// # What it never does
//
// In a pool an owner may be unknown although it exists: the copy of the cloud's
// objects may be incomplete, or the kind of the owner not served here. Deleting
// what seems to have lost its owner would then destroy what is in use. So nothing
// is done because an owner is absent. A dependent is deleted only if its owner was
// seen by this very Collector, was then seen to go, and is still absent in a read
// of the storage made just before; or if the owner is there and says itself, by its
// deletionTimestamp and finalizers, that its dependents are to go. What was deleted
// while no Collector ran therefore leaves its dependents behind, until somebody
// deletes them, in the cloud or here.
//
// What the cloud deletes disappears here because the mirror removes it. The cloud
// collects the dependents of that, and the mirror follows; the two may come in any
// order. Config.Mirrored tells such owners apart, whose dependents are left alone.
//
// # Cost
//
// It watches the metadata of what owns and is owned, custom resources too. Kinds
// that own nothing and belong to nothing are not followed, such as storage classes:
// the server does not have them wait for dependents, and one that belongs to
// something after all stays behind. What belongs to a node but changes all the time,
// such as its lease, is looked up when the node goes. Of each object a few hundred
// bytes are kept, some 4 MB for 8,000 objects. The watches themselves, some 30, take
// 3 MB. Requests go to the server in the same process.
package collect
