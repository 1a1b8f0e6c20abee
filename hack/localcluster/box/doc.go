// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package box makes a machine out of namespaces: network, mount, UTS, IPC and
// PID namespaces of its own, a disk of its own, and an init as PID 1.
//
// What a program in a box sees:
//
//	/var              the machine's disk; empty at first, kept across power-offs
//	/etc /opt /usr/local   the host's, with the machine's changes on top
//	/run /tmp         empty at each boot
//	/proc /sys        of the box's namespaces, with the host's control groups
//	/proc/sys/...     a few global settings that the kubelet insists on are
//	                  private files that already hold its values, so that the
//	                  host's stay as they are
//
// The init (Main) mounts this, starts the machine's processes under package
// supervise, imports container images, reaps orphans, writes logs of bounded
// size and answers on a control socket. When it ends, by SIGTERM or by having
// its plug pulled (SIGKILL), the kernel ends everything else in the box.
//
// Boxes outlive the program that launched them. They are not a security
// boundary: root inside is root on the host.
package box
