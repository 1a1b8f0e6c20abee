// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestWorthDefrag(t *testing.T) {
	cases := []struct {
		name        string
		size, inUse int64
		want        bool
	}{
		{"new", 20 << 10, 20 << 10, false},
		{"all free but small", 60 << 20, 0, false},
		{"much free, and most of it", 200 << 20, 90 << 20, true},
		{"much free, but more in use", 1 << 30, 900 << 20, false},
		{"at the threshold", 128 << 20, 64 << 20, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := worthDefrag(c.size, c.inUse); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestDefragShrinksWhileServing fills the database, frees most of it, and rewrites
// it under readers and writers.
func TestDefragShrinksWhileServing(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
	s := startMember(t, cfg)
	client := s.Client()
	value := strings.Repeat("x", 1<<20)
	for i := range 32 {
		if _, err := client.Put(t.Context(), fmt.Sprint("/large/", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Put(t.Context(), "/kept", "value"); err != nil {
		t.Fatal(err)
	}
	deleted, err := client.Delete(t.Context(), "/large/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.etcd.Server.Compact(t.Context(), &etcdserverpb.CompactionRequest{Revision: deleted.Header.Revision, Physical: true}); err != nil {
		t.Fatal(err)
	}

	before := s.etcd.Server.Backend().Size()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for i := range 4 {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := client.Put(t.Context(), fmt.Sprint("/busy/", i), "value"); err != nil {
					t.Error(err)
					return
				}
				if got, err := client.Get(t.Context(), "/kept"); err != nil || len(got.Kvs) != 1 {
					t.Errorf("got %v, %v, want the key that was kept", got, err)
					return
				}
			}
		})
	}
	err = s.Defrag()
	close(stop)
	busy.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if after := s.etcd.Server.Backend().Size(); after > before/4 {
		t.Errorf("the database has %d bytes after %d, want it to shrink", after, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := startMember(t, cfg).Client().Get(t.Context(), "/busy/", clientv3.WithPrefix()); err != nil || len(got.Kvs) != 4 {
		t.Errorf("got %v, %v after a restart, want what was written meanwhile", got, err)
	}
}

// A database that is full of what is still wanted is rewritten once, not over and
// over: that would wear the disk and hold up every call.
func TestFullDatabaseIsRewrittenOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for some rounds of looking for room")
	}
	t.Parallel()
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true, QuotaBytes: 16 << 20})
	value := strings.Repeat("x", 1<<20)
	full := false
	for i := range 64 {
		if _, err := s.Client().Put(t.Context(), fmt.Sprint("key", i), value); err != nil {
			full = true
			break
		}
	}
	if !full {
		t.Fatal("64 MiB went into a database of 16 MiB")
	}
	file := func() os.FileInfo {
		info, err := os.Stat(filepath.Join(s.Dir(), "member", "snap", "db"))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := file()
	changed := 0
	for deadline := time.Now().Add(4 * quotaPeriod); time.Now().Before(deadline); time.Sleep(quotaPeriod / 10) {
		if now := file(); !os.SameFile(before, now) { // a rewritten one is another file
			before = now
			changed++
		}
	}
	if changed > 1 {
		t.Errorf("it was rewritten %d times", changed)
	}
}
