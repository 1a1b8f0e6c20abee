// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clusterip gives Services that are made on site their ClusterIPs and
// node ports, such that nothing clashes: neither with what the cloud gives while
// it cannot be asked, nor with what the pool's other coordinators give.
//
// # Ranges
//
// The cloud may give any address of its ranges at any time, so no address of them
// is safe on site. A pool therefore has ranges of its own: a CIDR per family and
// a range of node ports, none of which the cloud or another pool that is joined
// to the same network uses. kube-proxy needs to know nothing of them. Without
// ranges only Services that need neither address nor port can be made on site.
// What is asked for by number must be in the pool's ranges too: whether an
// address of the cloud is free, only the cloud knows. Services that are mirrored
// from the cloud keep what they have; they are written beneath these hooks.
//
// # Records
//
// An address is given by creating an IPAddress object of its name, a node port by
// creating a key in etcd. Both creations are atomic, so that of several
// coordinators one wins and the others choose again. As in the kube-apiserver the
// record comes first, then the Service: a crash in between leaves a record of
// nothing (a leak), never a Service whose address is free for others.
//
// A record goes only when the Service it names has been read after it and does not
// hold the address: after a deletion, after an update that gave it up, after a
// creation that failed. The same Service may take over a record that it has left
// behind, which makes the record a new one to all who are about to delete it. Where the outcome of a write is unknown (the request was
// cancelled in the middle of it) the record stays, and Repair removes it when
// nothing has held it for far longer than a request may take. Repair also makes
// records that are missing.
//
// # What is as in the kube-apiserver
//
// The defaults of ipFamilyPolicy, ipFamilies and clusterIPs for one and two
// families, what an update may leave out, which ports of a Service share a node
// port, health check ports, and that numbers are preferably chosen from the upper
// part of a range, which leaves the lower part to those who ask by number. The
// tests compare with a kube-apiserver.
package clusterip
