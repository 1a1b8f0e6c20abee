// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestTroubleThatIsNoDamage(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, syscall.EROFS, syscall.EACCES, syscall.EIO, syscall.EMFILE, context.DeadlineExceeded,
		fmt.Errorf("failed to read WAL: %w", &os.PathError{Op: "read", Path: "0.wal", Err: syscall.EIO}),
		errors.New("etcd panicked: runtime error: invalid memory address or nil pointer dereference"),
		errors.New("listen tcp 127.0.0.1:2380: bind: address already in use"), ErrRemoved,
	} {
		if explained := explain("/data", fmt.Errorf("opening: %w", err)); errors.Is(explained, ErrDamaged) {
			t.Errorf("%v is taken for damage", err)
		}
	}
}

func TestSetAside(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "etcd [1]")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var last string
	for i := range keptAside + 2 {
		s := startMember(t, Config{Dir: dir, UnsafeNoFsync: true})
		if i == 0 { // it takes a while to be sure
			if _, err := SetAside(dir, now); err == nil {
				t.Fatal("data in use was set aside")
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		aside, err := SetAside(dir, now.Add(time.Duration(i)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(aside, "member", "snap", "db")); err != nil {
			t.Errorf("what was set aside is not there: %v", err)
		}
		last = aside
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != keptAside || entries[keptAside-1].Name() != filepath.Base(last) {
		t.Errorf("kept are %v, want the last %d", entries, keptAside)
	}
}
