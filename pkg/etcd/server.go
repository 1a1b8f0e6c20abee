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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"
	"k8s.io/klog/v2"
)

const (
	// Endpoint is the address that clients with DialContext use. Only its
	// form matters.
	Endpoint = "http://embedded.etcd:2379"

	// startPatience is how long a member may take until it is ready. Replaying
	// a large log from a slow disk takes minutes, not hours.
	startPatience = 10 * time.Minute

	// tellPatience is after how long it is told that a member waits for others.
	tellPatience = 10 * time.Second

	// connectionBuffer is the size of the in-memory connection's buffer: enough
	// for a large response to be written in few steps.
	connectionBuffer = 256 << 10
)

// Server is a running member. Its methods may be called at any time and from
// any goroutine.
type Server struct {
	dir     *dataDir
	etcd    *embed.Etcd
	direct  *direct
	client  *clientv3.Client
	rpc     *grpc.Server
	memory  *bufconn.Listener
	serving sync.WaitGroup
	stop    context.CancelFunc // ends what tends the database; nil before
	close   sync.Once
	logger  klog.Logger
	level   zap.AtomicLevel // of what etcd logs

	rewriting sync.RWMutex // held to rewrite the database; read-held to read all of it

	failOnce sync.Once
	failed   chan struct{}
	failure  error       // set before failed is closed
	stuck    atomic.Bool // whether etcd's goroutines are, see failHook
}

// Start brings a member up and returns when it answers. The data directory is
// locked until Close has returned.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	dir, err := openDataDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		dir:    dir,
		memory: bufconn.Listen(connectionBuffer),
		logger: klog.FromContext(ctx).WithName("etcd"),
		level:  zap.NewAtomicLevel(),
		failed: make(chan struct{}),
	}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config) error {
	known, hasData, err := s.dir.check()
	if err != nil {
		return err
	}
	// At start etcd warns of settings that matter in a cluster of many members;
	// later its warnings tell of a slow disk. Lower levels are for its makers.
	s.level.SetLevel(zap.ErrorLevel)
	defer s.level.SetLevel(zap.WarnLevel)
	began := time.Now()
	config, err := embedConfig(cfg, embed.NewZapLoggerBuilder(newLogger(s.logger, s.level, s.failStuck)))
	if err != nil {
		return err
	}
	if cfg.Cluster != nil && !hasData {
		if err := s.findCluster(ctx, cfg.Cluster, config); err != nil {
			return err
		}
	}
	err = s.launch(ctx, config)
	if err == nil {
		err = s.waitReady(ctx, cfg.Cluster)
	}
	if err != nil && s.Failure() == nil {
		err = explain(cfg.Dir, err)
	}
	if err != nil {
		return err
	}
	member := s.etcd.Server
	if err := s.dir.confirm(known, member.Cluster().ID().String(), member.MemberID().String()); err != nil {
		return err
	}
	s.serve()
	s.direct = newDirect(member)
	if err := s.connect(); err != nil {
		return err
	}
	if cfg.Cluster != nil {
		s.announce(ctx, cfg.Cluster)
	}
	s.tend(ctx, cfg.quota())
	s.logger.Info("Started embedded etcd", "dir", cfg.Dir, "new", known == nil, "revision", member.KV().Rev(), "duration", time.Since(began).Round(time.Millisecond))
	return nil
}

// launch runs embed.StartEtcd, which may also end by way of the log or a panic.
func (s *Server) launch(ctx context.Context, cfg *embed.Config) error {
	type result struct {
		etcd *embed.Etcd
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- result{err: fmt.Errorf("etcd panicked: %v", p)}
			}
		}()
		etcd, err := embed.StartEtcd(cfg)
		done <- result{etcd, err}
	}()
	select {
	case r := <-done:
		s.etcd = r.etcd
		return r.err
	case <-s.failed:
		return s.failure
	case <-ctx.Done():
		// The start cannot be interrupted; the process is about to end anyway.
		return context.Cause(ctx)
	}
}

func (s *Server) waitReady(ctx context.Context, cluster *Cluster) error {
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	waiting := time.NewTimer(tellPatience)
	defer waiting.Stop()
	var replayed <-chan struct{}
	if cluster == nil { // among others the log may lag
		read, cancel := context.WithCancel(ctx)
		defer cancel()
		replayed = s.replayed(read)
	}
	has, _ := schema.ReadConsistentIndex(s.etcd.Server.Backend().ReadTx())
	for {
		select {
		case <-s.etcd.Server.ReadyNotify():
			return nil
		case <-replayed:
			if replayed = nil; s.etcd.Server.CommittedIndex() < has {
				return errLogEnds
			}
		case <-s.etcd.Server.StopNotify():
			return ErrRemoved // nothing else stops it
		case err := <-s.etcd.Err():
			return err
		case <-s.failed:
			return s.failure
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-waiting.C:
			if cluster != nil {
				s.logger.Info("Waiting for the other etcd members, of which most must be up", "members", cluster.Members)
			}
		case <-patience.C:
			if cluster == nil {
				return fmt.Errorf("etcd was not ready after %v", startPatience)
			} // others may be away for days
		}
	}
}

// replayed returns a channel that is closed when a lone member has replayed its log
// to the end, and not if ctx is done before. A long log is replayed in parts, and each may hold a
// leader's first entry of an earlier life; but a leader reads only after it has
// committed an entry of this one, behind all others.
func (s *Server) replayed(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	s.serving.Go(func() {
		for s.etcd.Server.LinearizableReadNotify(ctx) != nil {
			select {
			case <-time.After(readPause): // it has no leader yet
			case <-ctx.Done():
				return
			case <-s.etcd.Server.StopNotify():
				return
			}
		}
		close(done)
	})
	return done
}

// serve answers clients: the in-memory ones, and etcdctl on the socket.
func (s *Server) serve() {
	// An API server pings its idle connection every 30 s. gRPC by itself allows
	// a ping every 5 min, and closes the connection on clients that send more.
	s.rpc = v3rpc.Server(s.etcd.Server, nil, nil, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
		MinTime: embed.DefaultGRPCKeepAliveMinTime,
	}))
	listeners := []net.Listener{s.memory}
	if socket, err := listenUnix(s.SocketPath()); err != nil {
		s.logger.Info("Went without the socket for etcdctl", "path", s.SocketPath(), "err", err)
	} else {
		listeners = append(listeners, socket)
	}
	for _, listener := range listeners {
		s.serving.Go(func() {
			if err := s.rpc.Serve(listener); err != nil {
				s.fail(fmt.Errorf("serving etcd: %w", err))
			}
		})
	}
}

// tend starts what keeps the database in order, until Close.
func (s *Server) tend(ctx context.Context, quota int64) {
	ctx, s.stop = context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), s.logger))
	s.serving.Go(func() { s.keepQuota(ctx, quota) })
	s.serving.Go(func() { s.keepCompact(ctx) })
	s.serving.Go(func() {
		select {
		case <-s.etcd.Server.StoppingNotify():
			s.direct.halt()
			s.fail(ErrRemoved) // nothing else stops it
		case <-ctx.Done():
		}
	})
}

// Dir is the data directory.
func (s *Server) Dir() string { return s.dir.path }

// ClusterID identifies the data: a data directory keeps it for life, and no two
// have the same.
func (s *Server) ClusterID() string { return s.etcd.Server.Cluster().ID().String() }

// DialContext opens an in-memory connection to the member, whatever the address.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return s.memory.DialContext(ctx)
}

// SocketPath is the Unix socket for etcdctl, in the data directory.
func (s *Server) SocketPath() string { return filepath.Join(s.dir.path, socketFile) }

// Failed is closed when the member can no longer go on, for instance because its
// disk is full. Nothing is acknowledged any more from then on; the process should
// end.
func (s *Server) Failed() <-chan struct{} { return s.failed }

// Failure says why the member failed, nil if it has not.
func (s *Server) Failure() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// failStuck is told by etcd's log why it cannot go on.
func (s *Server) failStuck(err error) {
	s.stuck.Store(true)
	s.fail(err)
}

func (s *Server) fail(err error) {
	s.failOnce.Do(func() {
		s.failure = explain(s.dir.path, err)
		close(s.failed)
	})
}

// Close stops the member. What was acknowledged is on disk before, after and
// without it. It returns when nothing runs any more, or at once if etcd could not
// go on. Further calls do nothing.
func (s *Server) Close() (err error) {
	s.close.Do(func() {
		if s.stuck.Load() {
			return // and the lock is held until the process ends
		}
		if s.stop != nil {
			s.stop()
		}
		if s.direct != nil {
			s.direct.close()
		}
		if s.client != nil {
			s.client.Close()
		}
		if s.rpc != nil {
			s.rpc.Stop()
		}
		s.serving.Wait()
		if s.etcd != nil {
			s.level.SetLevel(zap.PanicLevel) // it reports its end as errors
			s.etcd.Close()
		}
		err = s.dir.close()
	})
	return err
}

// explain turns errors that an operator can do something about into advice.
func explain(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the file system of etcd data directory %s is full: free space on it and start again: %w", dir, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("etcd data directory %s cannot be written: %w", dir, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrRemoved):
		return err
	case looksDamaged(err):
		return fmt.Errorf("etcd cannot work with data directory %s, whose %w (restore it from a backup, or remove it to start empty and lose what it held): %w", dir, ErrDamaged, err)
	default:
		return fmt.Errorf("etcd cannot work with data directory %s, which may be damaged (restore it from a backup, or remove it to start empty and lose what it held): %w", dir, err)
	}
}

// listenUnix takes the socket over from a process that died. The data
// directory's lock says that none is alive.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	return net.Listen("unix", path)
}
