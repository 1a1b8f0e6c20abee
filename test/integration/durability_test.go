// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/test/cloud"
)

// ledger is what writers have been promised: the highest counter per pool that
// was acknowledged, and the highest that was sent.
type ledger struct {
	mu    sync.Mutex
	acked map[string]int32
	sent  map[string]int32
}

// write counts up the leaderReplicas of one pool until ctx is done. It goes on
// after failures, as a controller does.
func (l *ledger) write(ctx context.Context, c *cloud.Cloud, name string) {
	pools := c.Steppe.AppsV1beta2().NodePools()
	for n := int32(2); ctx.Err() == nil; n++ {
		l.mu.Lock()
		l.sent[name] = n
		created := l.acked[name] > 0
		l.mu.Unlock()

		pool := &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1beta2.NodePoolSpec{LeaderReplicas: n}}
		var err error
		if created {
			_, err = pools.Update(ctx, pool, metav1.UpdateOptions{})
		} else if _, err = pools.Create(ctx, pool, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			_, err = pools.Update(ctx, pool, metav1.UpdateOptions{})
		}
		if err != nil {
			continue
		}
		l.mu.Lock()
		l.acked[name] = n
		l.mu.Unlock()
	}
}

// total is how many writes were acknowledged, give or take one per pool.
func (l *ledger) total() (sum int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.acked {
		sum += n
	}
	return sum
}

// check compares what was promised with what is there, after all writers ended.
func (l *ledger) check(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	eventually(t, "reading back", func(ctx context.Context) error {
		list, err := c.Steppe.AppsV1beta2().NodePools().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		got := map[string]int32{}
		for _, pool := range list.Items {
			got[pool.Name] = pool.Spec.LeaderReplicas
		}
		for name, n := range l.acked {
			// A write that was sent and not answered may be there or not.
			if got[name] < n || got[name] > l.sent[name] {
				t.Errorf("%s: %d was acknowledged and %d sent last, but %d is there", name, n, l.sent[name], got[name])
			}
		}
		return nil
	})
}

// TestKillUnderWritesLosesNothing kills the server again and again while
// clients write, and compares what they were promised with what is there.
func TestKillUnderWritesLosesNothing(t *testing.T) {
	const (
		kills   = 5
		writers = 8
		// writesPerLife have to be acknowledged before the next kill.
		writesPerLife = 200
	)
	c := newCloud(t)
	server := newServer(t, c, "killed", "--etcd-data-dir="+filepath.Join(c.Dir, "killed"))
	register(t, c, server.Port, server)

	l := &ledger{acked: map[string]int32{}, sent: map[string]int32{}}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	defer writing.Wait()
	defer stop()
	for i := range writers {
		writing.Go(func() { l.write(ctx, c, fmt.Sprint("counter-", i)) })
	}
	for life := range kills {
		before := l.total()
		eventually(t, fmt.Sprintf("writes in life %d", life), func(context.Context) error {
			if done := l.total() - before; done < writesPerLife {
				return fmt.Errorf("%d writes were acknowledged", done)
			}
			return nil
		})
		server.Kill()
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	writing.Wait()

	l.check(t, c)
}

// TestFullDisk fills the file system under a server that is being written to.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system to fill needs root")
	}
	c := newCloud(t)
	disk := filepath.Join(c.Dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=160m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	server := newServer(t, c, "full", "--etcd-data-dir="+filepath.Join(disk, "etcd"))
	register(t, c, server.Port, server)
	t.Cleanup(server.Kill)
	pools := c.Steppe.AppsV1beta2().NodePools()

	// Acknowledged writes first, then a disk without a free byte.
	var acked []string
	create := func(i int) error {
		name := fmt.Sprint("pool-", i)
		_, err := pools.Create(t.Context(), &v1beta2.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"ballast": strings.Repeat("x", 200<<10)}},
		}, metav1.CreateOptions{})
		if err == nil {
			acked = append(acked, name)
		}
		return err
	}
	if err := create(0); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	if err := fill(filler); err != nil {
		t.Fatal(err)
	}
	const enough = 1000 // of 200 KiB each: more than fits into what etcd preallocated
	var err error
	for i := 1; i < enough && err == nil; i++ {
		err = create(i)
	}
	if err == nil {
		t.Fatal("writes to a full disk were acknowledged")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.WaitExit(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the server ended with %v, want it to fail", err)
	}
	if want := "is full: free space on it and start again"; !strings.Contains(server.Log(), want) {
		t.Fatalf("the log does not say %q", want)
	}

	// With space again, everything that was acknowledged is there.
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "reading back", func(ctx context.Context) error {
		_, err := pools.List(ctx, metav1.ListOptions{Limit: 1})
		return err
	})
	for _, name := range acked {
		if _, err := pools.Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Errorf("acknowledged %s: %v", name, err)
		}
	}
}

// fill writes to a file until the file system is full.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err = io.WriteString(file, strings.Repeat("x", size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("filling the disk: %w", err)
	}
	return nil
}

// TestDoesNotServeFromOtherData starts servers on data that is not their
// cluster's: nothing of it may ever be served.
func TestDoesNotServeFromOtherData(t *testing.T) {
	c := newCloud(t)
	dir := filepath.Join(c.Dir, "data")
	server := newServer(t, c, "first", "--etcd-data-dir="+dir)
	register(t, c, server.Port, server)
	server.Stop()

	cases := []struct {
		name, reason string
		prepare      func() error
		args         []string
		want         string
	}{
		{
			name: "empty directory", reason: "the pod has moved to another machine, or its volume is lost",
			prepare: func() error { return nil }, args: []string{"--etcd-data-dir=" + filepath.Join(c.Dir, "other")},
			want: "this cluster's objects are in other storage (etcd cluster ",
		},
		{
			name: "external etcd", reason: "the manifests for several replicas were applied over those for one",
			prepare: func() error { return nil }, args: startEtcd(t),
			want: "delete ConfigMap kube-system/yurt-apiserver-storage",
		},
		{
			name: "log lost", reason: "etcd would start empty",
			prepare: func() error { return os.RemoveAll(filepath.Join(dir, "member", "wal")) }, args: []string{"--etcd-data-dir=" + dir},
			want: "write-ahead log (member/wal) is missing",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.prepare(); err != nil {
				t.Fatal(err)
			}
			server := newServer(t, c, strings.ReplaceAll(tc.name, " ", "-"), tc.args...)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := server.WaitExit(ctx); err == nil || ctx.Err() != nil {
				t.Fatalf("%s: the server ended with %v, want it to refuse", tc.reason, err)
			}
			if !strings.Contains(server.Log(), tc.want) {
				t.Errorf("the log does not say %q", tc.want)
			}
		})
	}
}

// TestShutdown asks a busy server to end.
func TestShutdown(t *testing.T) {
	c := newCloud(t)
	server := newServer(t, c, "ending", "--etcd-data-dir="+filepath.Join(c.Dir, "ending"))
	register(t, c, server.Port, server)
	l := &ledger{acked: map[string]int32{}, sent: map[string]int32{}}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { l.write(ctx, c, "counter") })
	w, err := c.Steppe.AppsV1beta2().NodePools().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	select { // until one write is seen
	case <-w.ResultChan():
	case <-time.After(patience):
		t.Fatal("no write was seen")
	}

	if err := syscall.Kill(server.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.WaitExit(ended); err != nil {
		t.Fatalf("the server ended with %v, want a clean end", err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range w.ResultChan() {
		}
	}()
	select {
	case <-drained:
	case <-time.After(patience):
		t.Fatal("the watch outlived the server")
	}
	stop()
	writing.Wait()

	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	l.check(t, c)
}
