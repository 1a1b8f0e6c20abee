// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package etcd runs one etcd member inside this process.
//
// The member is alone in its cluster, listens on no TCP port and takes its
// clients in memory; a Unix socket in the data directory lets etcdctl in for
// backups. Every write is on disk before it is answered.
//
// There are two ways to it in memory. Server.Client makes function calls into the
// member, at a quarter to a half of the cost; Server.DialContext is for clients
// that want a connection.
//
// The package stands between etcd and an operator who cannot look at the
// machine. What etcd answers by ending the process, or by starting empty, is
// an error here that says what is wrong and what to do: a data directory that
// has lost a part of itself is refused, a second process on it is refused, and
// a member that can no longer write to its disk stops at once (see
// Server.Failed).
package etcd
