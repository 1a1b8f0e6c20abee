// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
)

func startMember(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newClient(t testing.TB, s *Server) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{Endpoint},
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return s.DialContext(ctx, "tcp", addr)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestKeepsDataOverRestart(t *testing.T) {
	cfg := Config{Dir: filepath.Join(t.TempDir(), "etcd")}
	s := startMember(t, cfg)
	if _, err := newClient(t, s).Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	got, err := newClient(t, startMember(t, cfg)).Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "value" {
		t.Fatalf("got %v, want the value written before the restart", got.Kvs)
	}
}

// TestKeepsIdleConnection pings an idle connection as often as a client can, as
// API servers do to find out that their etcd is gone.
func TestKeepsIdleConnection(t *testing.T) {
	if testing.Short() {
		t.Skip("gRPC sends no more than a ping every 10 s, and the third is one too many")
	}
	t.Parallel()
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	var connections atomic.Int32
	client, err := clientv3.New(clientv3.Config{
		Endpoints:         []string{Endpoint},
		DialKeepAliveTime: 10 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			connections.Add(1)
			return s.DialContext(ctx, "tcp", addr)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	watch := client.Watch(t.Context(), "key") // there are no pings without a stream
	select {
	case response := <-watch:
		t.Errorf("the watch ended or had an event: %+v", response)
	case <-time.After(35 * time.Second):
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("the client had to connect %d times", n)
	}
}

func TestListensOnNoPort(t *testing.T) {
	before := listeningTCP(t)
	startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	if after := listeningTCP(t); after != before {
		t.Fatalf("%d TCP sockets listen, %d did before the start", after, before)
	}
}

// listeningTCP counts this process's listening TCP sockets.
func listeningTCP(t *testing.T) int {
	t.Helper()
	mine := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc to count sockets in")
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	n := 0
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(data)) {
			const stateListen = "0A"
			if fields := strings.Fields(line); len(fields) > 9 && fields[3] == stateListen && mine[fields[9]] {
				n++
			}
		}
	}
	return n
}

func TestServesEtcdctlSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "etcd") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := startMember(t, Config{Dir: dir, UnsafeNoFsync: true})
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + s.SocketPath()}, DialTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Status(t.Context(), "unix://"+s.SocketPath()); err != nil {
		t.Fatal(err)
	}
}

// TestRefusesDamage damages a data directory in ways that must never lead to an
// empty or half-empty start.
func TestRefusesDamage(t *testing.T) {
	cases := []struct {
		name, reason string
		damage       func(dir string) error
		want         string
	}{
		{
			name:   "no member",
			reason: "etcd would start empty",
			damage: func(dir string) error { return os.RemoveAll(filepath.Join(dir, "member")) },
			want:   "write-ahead log (member/wal) is missing",
		},
		{
			name:   "no log",
			reason: "etcd would start empty, with the old database aside",
			damage: func(dir string) error { return os.RemoveAll(filepath.Join(dir, "member", "wal")) },
			want:   "write-ahead log (member/wal) is missing",
		},
		{
			name:   "no database",
			reason: "what had been compacted out of the log would be gone",
			damage: func(dir string) error { return os.Remove(filepath.Join(dir, "member", "snap", "db")) },
			want:   "database (member/snap/db) is missing",
		},
		{
			name:   "log overwritten",
			reason: "etcd ends the process",
			damage: func(dir string) error { return overwrite(dir, "member/wal/*.wal") },
			want:   "whose data is damaged",
		},
		{
			name:   "database overwritten",
			reason: "etcd panics",
			damage: func(dir string) error { return overwrite(dir, "member/snap/db") },
			want:   "whose data is damaged",
		},
		{
			name:   "another member's data",
			reason: "a backup of another cluster was put in place",
			damage: func(dir string) error {
				return os.WriteFile(filepath.Join(dir, identityFile), []byte(`{"clusterID":"1","memberID":"2"}`), 0o600)
			},
			want: "mixed up with another one",
		},
		{
			name:   "identity overwritten",
			reason: "the file cannot vouch for the data",
			damage: func(dir string) error { return overwrite(dir, identityFile) },
			want:   "identity.json is damaged",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
			s := startMember(t, cfg)
			if _, err := newClient(t, s).Put(t.Context(), "key", "value"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			s, err := Start(t.Context(), cfg)
			if err == nil {
				s.Close()
				t.Fatalf("started; %s", c.reason)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), cfg.Dir) {
				t.Fatalf("got error %q, want it to name the directory and say %q", err, c.want)
			}
			if foreign := strings.Contains(c.want, "mixed up"); errors.Is(err, ErrDamaged) == foreign {
				t.Errorf("that it is damage is %t of: %v", !foreign, err)
			}
		})
	}
}

// overwrite replaces the start of matching files by nonsense.
func overwrite(dir, pattern string) error {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("nothing matches %s: %w", pattern, err)
	}
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if _, err := file.WriteAt([]byte(strings.Repeat("nonsense", 4096)), 0); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestRefusesSecondProcess(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
	startMember(t, cfg)
	_, err := Start(t.Context(), cfg)
	if want := fmt.Sprintf("in use by another process (pid %d)", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want %q", err, want)
	}
}

// TestRefusesAnotherEtcd has a stock etcd on the data, which knows nothing of our
// lock.
func TestRefusesAnotherEtcd(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
	if err := startMember(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := os.Open(filepath.Join(cfg.Dir, "member", "snap", "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := unix.Flock(int(db.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "in use by another etcd") {
		t.Fatalf("got error %v, want it to name the other etcd", err)
	}
}

// TestQuotaMakesRoom fills the database in the two ways in which it fills: with
// old revisions, and with data.
func TestQuotaMakesRoom(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"direct", "connection"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true, QuotaBytes: 16 << 20})
			testQuotaMakesRoom(t, clients(t, s)[way])
		})
	}
}

func testQuotaMakesRoom(t *testing.T, client *clientv3.Client) {
	t.Helper()
	value := strings.Repeat("x", 1<<20)
	put := func(key string) error {
		_, err := client.Put(t.Context(), key, value)
		return err
	}
	untilFull := func(key func(i int) string) {
		t.Helper()
		for i := range 64 {
			if err := put(key(i)); err != nil {
				if !strings.Contains(err.Error(), "database space exceeded") {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatal("64 MiB went into a database of 16 MiB")
	}
	untilWritable := func(why string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			err := put("probe")
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", why, err)
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
	}

	untilFull(func(int) string { return "same" })
	untilWritable("old revisions can go without anybody's help")

	untilFull(func(i int) string { return fmt.Sprint("key", i) })
	if _, err := client.Delete(t.Context(), "key", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	untilWritable("data was deleted")
}

// TestStartsAfterInterruptedFirstStart leaves what a first start leaves that was
// killed, or ran out of space, before it could write a log.
func TestStartsAfterInterruptedFirstStart(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), UnsafeNoFsync: true}
	snap := filepath.Join(cfg.Dir, "member", "snap")
	if err := os.MkdirAll(snap, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(snap, "db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t, startMember(t, cfg)).Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
}
