// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestSnapshotRestore takes snapshots in both ways while writes go on, and brings
// them back.
func TestSnapshotRestore(t *testing.T) {
	s := startMember(t, Config{Dir: shortDir(t), UnsafeNoFsync: true})
	client := s.Client()
	first, err := client.Put(t.Context(), "/key", "old")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Put(t.Context(), "/key", "new"); err != nil {
		t.Fatal(err)
	}
	writing, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 0; writing.Err() == nil; i++ {
			_, _ = client.Put(writing, fmt.Sprint("/busy/", i), strings.Repeat("x", 1000))
		}
	})

	backups := shortDir(t)
	take := map[string]func(file string) error{
		"in process": func(file string) error {
			var image bytes.Buffer
			if err := s.Snapshot(t.Context(), &image); err != nil {
				return err
			}
			return os.WriteFile(file, image.Bytes(), 0o600)
		},
		"over the socket": func(file string) error { return SaveSnapshot(t.Context(), s.Dir(), file) },
	}
	for way, save := range take {
		if err := save(filepath.Join(backups, way)); err != nil {
			t.Fatalf("%s: %v", way, err)
		}
	}
	stop()
	busy.Wait()
	last, err := client.Get(t.Context(), "/key")
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(backups); err != nil || len(entries) != len(take) {
		t.Errorf("there are %v, %v, want only the snapshots", entries, err)
	}

	for way := range take {
		t.Run(way, func(t *testing.T) {
			cfg := Config{Dir: filepath.Join(t.TempDir(), "new", "etcd"), UnsafeNoFsync: true}
			if err := Restore(t.Context(), filepath.Join(backups, way), cfg); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(filepath.Dir(cfg.Dir)); err != nil || len(entries) != 1 {
				t.Errorf("there are %v, %v, want only the data directory", entries, err)
			}
			restored := startMember(t, cfg)
			if restored.ClusterID() == s.ClusterID() {
				t.Error("the restored cluster has the ID of the one it was taken from")
			}
			client := restored.Client()
			got, err := client.Get(t.Context(), "/key")
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "new" || got.Kvs[0].CreateRevision != first.Header.Revision {
				t.Errorf("got %v, want what was written", got.Kvs)
			}
			if got.Header.Revision <= last.Header.Revision {
				t.Errorf("revision %d is not above %d, which clients may have seen", got.Header.Revision, last.Header.Revision)
			}
			// A client that saw the last revision must be told, and not wait.
			watch := client.Watch(t.Context(), "/key", clientv3.WithRev(last.Header.Revision+1))
			select {
			case r := <-watch:
				if !errors.Is(r.Err(), rpctypes.ErrCompacted) {
					t.Errorf("the watch got %+v, want %v", r, rpctypes.ErrCompacted)
				}
			case <-time.After(30 * time.Second):
				t.Error("a watch from before the restore waits silently")
			}
			if _, err := client.Put(t.Context(), "/key", "newer"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSnapshotIsRefused(t *testing.T) {
	s := startMember(t, Config{Dir: shortDir(t), UnsafeNoFsync: true})
	backups := shortDir(t)
	good := filepath.Join(backups, "good")
	if err := SaveSnapshot(t.Context(), s.Dir(), good); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	nonsense := bytes.Repeat([]byte("nonsense"), 4096)
	hash := sha256.Sum256(nonsense)
	cases := []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "cut short"},
		{"cut in a page", image[:len(image)-100], "cut short"},
		{"cut by pages", image[4096:], "damaged"},
		{"without the hash", image[:len(image)-32], "cut short"},
		{"a bit turned", func() []byte {
			turned := bytes.Clone(image)
			turned[len(turned)/2] ^= 1
			return turned
		}(), "damaged"},
		{"nonsense with the right hash", append(bytes.Clone(nonsense), hash[:]...), "invalid database"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(backups, "bad")
			if err := os.WriteFile(file, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "etcd")
			err := Restore(t.Context(), file, Config{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("got error %v, want it to name the file and say %q", err, c.want)
			}
			if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 0 {
				t.Errorf("there are %v, %v, want nothing left", entries, err)
			}
		})
	}
	t.Run("directory in use", func(t *testing.T) {
		if err := Restore(t.Context(), good, Config{Dir: s.Dir()}); err == nil || !strings.Contains(err.Error(), "is not empty") {
			t.Errorf("got error %v, want it to refuse the directory", err)
		}
	})
	t.Run("empty directory", func(t *testing.T) {
		if err := Restore(t.Context(), good, Config{Dir: t.TempDir()}); err != nil {
			t.Error(err)
		}
	})
	t.Run("no member", func(t *testing.T) {
		file := filepath.Join(backups, "none")
		if err := SaveSnapshot(t.Context(), backups, file); err == nil || !strings.Contains(err.Error(), "must be running") {
			t.Errorf("got error %v, want it to say that the member must be running", err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("it left a file")
		}
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Snapshot(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
	t.Run("cannot be written", func(t *testing.T) {
		full := errors.New("disk full")
		if err := s.Snapshot(t.Context(), failingWriter{full}); !errors.Is(err, full) {
			t.Errorf("got error %v, want %v", err, full)
		}
	})
	t.Run("closed", func(t *testing.T) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Snapshot(t.Context(), &bytes.Buffer{}); err == nil {
			t.Error("a closed server gave a snapshot")
		}
	})
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestRestoredAlarmIsTakenBack restores what was saved while there was no space
// left. The alarm names a member that no longer exists.
func TestRestoredAlarmIsTakenBack(t *testing.T) {
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	_, err := s.etcd.Server.Alarm(t.Context(), &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: 4711, Alarm: etcdserverpb.AlarmType_NOSPACE,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	var image bytes.Buffer
	if err := s.Snapshot(t.Context(), &image); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, image.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dir: filepath.Join(t.TempDir(), "etcd"), UnsafeNoFsync: true}
	if err := Restore(t.Context(), file, cfg); err != nil {
		t.Fatal(err)
	}
	restored := startMember(t, cfg)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := restored.Client().Put(t.Context(), "key", "value")
		if err == nil {
			break
		}
		if !errors.Is(err, rpctypes.ErrNoSpace) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
