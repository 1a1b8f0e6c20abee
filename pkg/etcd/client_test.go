// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"
)

// clients are the two ways to a member. What holds for one must for the other.
func clients(t testing.TB, s *Server) map[string]*clientv3.Client {
	return map[string]*clientv3.Client{"direct": s.Client(), "connection": newClient(t, s)}
}

// TestErrorsAreTheSame makes both clients fail, and compares what callers look at
// in an error: identity, text and code.
func TestErrorsAreTheSame(t *testing.T) {
	t.Parallel()
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true, QuotaBytes: 1 << 30})
	first, err := s.Client().Put(t.Context(), "key", "value")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client().Put(t.Context(), "key", "value2"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client().Compact(t.Context(), first.Header.Revision+1); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	overdue, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	tooMany := make([]clientv3.Op, 200)
	for i := range tooMany {
		tooMany[i] = clientv3.OpPut(fmt.Sprint("key", i), "")
	}

	cases := []struct {
		name string
		do   func(c *clientv3.Client) error
		want error // nil where only equality is asked for
	}{
		{"compacted revision", func(c *clientv3.Client) error {
			_, err := c.Get(t.Context(), "key", clientv3.WithRev(first.Header.Revision))
			return err
		}, rpctypes.ErrCompacted},
		{"future revision", func(c *clientv3.Client) error {
			_, err := c.Get(t.Context(), "key", clientv3.WithRev(1000))
			return err
		}, rpctypes.ErrFutureRev},
		{"empty key", func(c *clientv3.Client) error {
			_, err := c.Put(t.Context(), "", "value")
			return err
		}, rpctypes.ErrEmptyKey},
		{"request larger than etcd takes", func(c *clientv3.Client) error {
			_, err := c.Put(t.Context(), "key", strings.Repeat("x", 1700<<10))
			return err
		}, rpctypes.ErrRequestTooLarge},
		{"too many operations", func(c *clientv3.Client) error {
			_, err := c.Txn(t.Context()).Then(tooMany...).Commit()
			return err
		}, rpctypes.ErrTooManyOps},
		{"same key twice", func(c *clientv3.Client) error {
			_, err := c.Txn(t.Context()).Then(clientv3.OpPut("a", ""), clientv3.OpPut("a", "")).Commit()
			return err
		}, rpctypes.ErrDuplicateKey},
		{"no such lease", func(c *clientv3.Client) error {
			_, err := c.Put(t.Context(), "key", "value", clientv3.WithLease(4711))
			return err
		}, rpctypes.ErrLeaseNotFound},
		{"no such lease to revoke", func(c *clientv3.Client) error {
			_, err := c.Revoke(t.Context(), 4711)
			return err
		}, rpctypes.ErrLeaseNotFound},
		{"lease too long", func(c *clientv3.Client) error {
			_, err := c.Grant(t.Context(), 10_000_000_000)
			return err
		}, rpctypes.ErrLeaseTTLTooLarge},
		{"compaction of what is compacted", func(c *clientv3.Client) error {
			_, err := c.Compact(t.Context(), first.Header.Revision)
			return err
		}, rpctypes.ErrCompacted},
		{"read given up", func(c *clientv3.Client) error {
			_, err := c.Get(cancelled, "key")
			return err
		}, context.Canceled},
		{"write given up", func(c *clientv3.Client) error {
			_, err := c.Put(cancelled, "key", "value")
			return err
		}, context.Canceled},
		{"read overdue", func(c *clientv3.Client) error {
			_, err := c.Get(overdue, "key")
			return err
		}, context.DeadlineExceeded},
		{"transaction overdue", func(c *clientv3.Client) error {
			_, err := c.Txn(overdue).Then(clientv3.OpPut("a", "")).Commit()
			return err
		}, context.DeadlineExceeded},
		{"watch from a compacted revision", func(c *clientv3.Client) error {
			response := <-c.Watch(clientv3.WithRequireLeader(t.Context()), "key", clientv3.WithRev(first.Header.Revision))
			if response.CompactRevision != first.Header.Revision+1 {
				return fmt.Errorf("compact revision is %d", response.CompactRevision)
			}
			return response.Err()
		}, rpctypes.ErrCompacted},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]error{}
			for name, client := range clients(t, s) {
				got[name] = c.do(client)
			}
			direct, connection := got["direct"], got["connection"]
			if direct == nil || connection == nil || direct.Error() != connection.Error() || status.Code(direct) != status.Code(connection) ||
				fmt.Sprintf("%T", direct) != fmt.Sprintf("%T", connection) {
				t.Errorf("direct: %T %v, over the connection: %T %v", direct, direct, connection, connection)
			}
			if !errors.Is(direct, c.want) {
				t.Errorf("got %v, want %v", direct, c.want)
			}
		})
	}
}

// TestManyWatchesOnOneStream makes and ends watches while events come, all on one
// stream. Client and server must never wait for each other.
func TestManyWatchesOnOneStream(t *testing.T) {
	t.Parallel()
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	client := s.Client()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var watching sync.WaitGroup
	for i := range 200 {
		watching.Go(func() {
			for range 10 {
				ctx, cancel := context.WithCancel(ctx)
				watch := client.Watch(ctx, "/", clientv3.WithPrefix(), clientv3.WithRev(1))
				for range i % 5 {
					<-watch
				}
				cancel()
				for range watch { // until it is closed
				}
			}
		})
	}
	writing, stop := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; writing.Err() == nil; i++ {
			if _, err := client.Put(writing, fmt.Sprint("/", i%10), "value"); err != nil && writing.Err() == nil {
				t.Error(err)
				return
			}
			_ = client.RequestProgress(writing)
		}
	}()
	watching.Wait()
	stop()
	<-written
	if ctx.Err() != nil {
		t.Fatal("it took more than a minute")
	}
}

// TestCloseEndsCalls closes a server under its clients.
func TestCloseEndsCalls(t *testing.T) {
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	client, other := s.Client(), s.NewClient()
	// Neither the test's context nor the caller ends these.
	watches := []clientv3.WatchChan{
		client.Watch(context.Background(), "/", clientv3.WithPrefix(), clientv3.WithCreatedNotify()),
		other.Watch(clientv3.WithRequireLeader(context.Background()), "/", clientv3.WithPrefix(), clientv3.WithCreatedNotify()),
	}
	for _, watch := range watches {
		<-watch
	}
	if _, err := other.Put(t.Context(), "/key", "value"); err != nil {
		t.Fatal(err)
	}
	for _, watch := range watches {
		if r := <-watch; len(r.Events) != 1 {
			t.Fatalf("got %+v, want one event", r)
		}
	}
	var writing sync.WaitGroup
	for range 8 {
		writing.Go(func() {
			for {
				if _, err := client.Put(t.Context(), "/key", "value"); err != nil {
					if !errors.Is(err, rpctypes.ErrStopped) && !errors.Is(err, context.Canceled) {
						t.Errorf("a write ended with %v", err)
					}
					return
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writing.Wait()
	for _, watch := range watches {
		deadline := time.After(30 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-watch:
			case <-deadline:
				t.Fatal("a watch outlived the server")
			}
		}
	}
	if _, err := other.Get(t.Context(), "/key"); !errors.Is(err, rpctypes.ErrStopped) {
		t.Errorf("reading from a closed server gave %v, want %v", err, rpctypes.ErrStopped)
	}
}

// TestCallersMayNotReachTheDatabase changes what the member gave out, as nobody
// should, and reads again.
func TestCallersMayNotReachTheDatabase(t *testing.T) {
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	client := s.Client()
	watch := client.Watch(t.Context(), "key", clientv3.WithCreatedNotify())
	<-watch
	if _, err := client.Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	clear((<-watch).Events[0].Kv.Value)
	for range 2 {
		got, err := client.Get(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Kvs[0].Value) != "value" {
			t.Fatalf("got %q, want what was written", got.Kvs[0].Value)
		}
		clear(got.Kvs[0].Value)
	}
}
