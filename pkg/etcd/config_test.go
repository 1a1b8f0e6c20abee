// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// TestTakesLittleDisk allocates what a new member allocates.
func TestTakesLittleDisk(t *testing.T) {
	dir := t.TempDir()
	startMember(t, Config{Dir: dir})
	var allocated int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			allocated += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(2*logSegmentBytes + 1<<20); allocated > limit {
		t.Errorf("a new member takes %d bytes on disk, want %d at most", allocated, limit)
	}
}

// TestReadsLargerLogSegments starts on a log as etcd writes it by itself, and one
// that an earlier version of this package wrote.
func TestReadsLargerLogSegments(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
	setLogSegment()
	wal.SegmentSizeBytes = 64_000_000
	restore := func() { wal.SegmentSizeBytes = logSegmentBytes }
	defer restore()
	value := strings.Repeat("x", 1<<20)
	put := func(s *Server, from, to int) {
		for i := from; i < to; i++ {
			if _, err := s.Client().Put(t.Context(), fmt.Sprint("/", i), value); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	put(startMember(t, cfg), 0, 20)
	restore()
	put(startMember(t, cfg), 20, 40)
	got, err := startMember(t, cfg).Client().Get(t.Context(), "/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 40 {
		t.Errorf("got %d keys, want the 40 that were written", len(got.Kvs))
	}
}
