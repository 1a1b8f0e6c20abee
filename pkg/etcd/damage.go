// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
)

// ErrDamaged says that the data on disk is not what was written there, or that a
// part of it is gone. Nothing else is: not a full disk, nor a directory that is in
// use, of another cluster, or not readable.
var ErrDamaged = errors.New("data is damaged")

// keptAside is how many damaged directories are kept: enough to look into, and not
// so many that they fill the disk.
const keptAside = 2

// asideSuffix is between the name of a data directory and the time at which it was
// set aside.
const asideSuffix = ".damaged-"

// damage are the errors by which etcd and its parts say so.
var damage = []error{
	errPages, errLogEnds,
	io.ErrUnexpectedEOF,
	wal.ErrCRCMismatch, walpb.ErrCRCMismatch, wal.ErrSnapshotMismatch, wal.ErrSnapshotNotFound, wal.ErrFileNotFound, wal.ErrSliceOutOfRange,
	bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch, bolterrors.ErrInvalidMapping,
}

// errLogEnds says that a part of the write-ahead log has gone from its end.
var errLogEnds = errors.New("the write-ahead log ends before what the database already has")

// signs are parts of what they say where they have no error for it: in what they
// panic with, and in what they log before they end the process.
var signs = []string{
	"etcd panicked: page ", "etcd panicked: assertion failed", "etcd panicked: freepages", "etcd panicked: invalid freelist",
	"file size too small", "unexpected page", "proto: ", "wal: ", "snap: ",
	"failed to read WAL", "cannot use none as id", "failed to recover v3 backend", "tocommit(", "unmarshal",
}

// looksDamaged says whether an error tells of damage. What the system refused may
// work the next time, whatever etcd makes of it.
func looksDamaged(err error) bool {
	var refused syscall.Errno
	if errors.As(err, &refused) {
		return false
	}
	for _, known := range damage {
		if errors.Is(err, known) {
			return true
		}
	}
	text := err.Error()
	return slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(text, sign) })
}

// SetAside moves a damaged data directory away, to a name beside it, so that a
// member may start empty in its place. No member may run on it. Of the directories
// that were set aside before, the last are kept. It returns the new name.
func SetAside(dir string, now time.Time) (string, error) {
	held, err := openDataDir(dir)
	if err != nil {
		return "", err
	}
	defer held.close()
	aside := dir + asideSuffix + now.UTC().Format("20060102T150405.000Z")
	if err := os.Rename(dir, aside); err != nil {
		return "", fmt.Errorf("setting damaged etcd data aside: %w", err)
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return "", fmt.Errorf("setting damaged etcd data aside: %w", err)
	}
	old, err := filepath.Glob(globQuote(dir) + asideSuffix + "*")
	if err != nil {
		return aside, err
	}
	slices.Sort(old) // by time
	for _, path := range old[:max(0, len(old)-keptAside)] {
		if err := os.RemoveAll(path); err != nil {
			return aside, fmt.Errorf("removing etcd data that was set aside long ago: %w", err)
		}
	}
	return aside, nil
}

// globQuote has a path match itself alone.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
