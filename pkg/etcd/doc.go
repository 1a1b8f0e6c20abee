// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package etcd runs one etcd member inside this process.
//
// By default the member is alone in its cluster and listens on no TCP port. With
// Config.Cluster it is one of several, usually three, that reach each other over
// mutual TLS; losing one changes nothing that clients see. In both cases clients
// are in memory, and a Unix socket in the data directory lets etcdctl and Connect
// in, for backups and changes of the members. Every write is on disk before it is
// answered.
//
// There are two ways to the member in memory. Server.Client makes function calls
// into it, at a quarter to a half of the cost; Server.DialContext is for clients
// that want a connection.
//
// The package stands between etcd and an operator who cannot look at the
// machine. What etcd answers by ending the process, or by starting empty, is
// an error here that says what is wrong and what to do: a data directory that is
// damaged is refused with ErrDamaged, a second process on it is refused, and
// a member that can no longer write to its disk stops at once (see
// Server.Failed). Room that a database wastes is given back, and writes that its
// quota refused are taken again, without anybody's help.
//
// Restored data, and members that lost theirs, are where histories can part.
// Restore gives data a new cluster ID and revisions above all that clients can
// have seen. A member without data forms a cluster only if it was told that there
// may be none yet, and takes the place of one that had data only after it has been
// replaced on another member.
package etcd
