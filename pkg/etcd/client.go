// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/proxy/grpcproxy/adapter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// readAttempts and readPause say how often and how fast a read is repeated
	// while the cluster has no leader, as etcd's client does over gRPC.
	readAttempts = 100
	readPause    = 25 * time.Millisecond

	// leaderPatience is how many election timeouts in a row without a leader
	// end the watches that require one, as in etcd.
	leaderPatience = 3
)

// Client returns the server's own client. Its reads, writes, watches and leases
// are function calls into the member; the rest goes over the in-memory
// connection. It ends with the server; do not close it.
//
// It differs from a client that uses DialContext in this: responses share memory
// with the member and with other watchers, so keys and values must only be read,
// and gRPC's metrics do not count the calls. Errors, limits, quota, leader
// requirements and repeated reads are the same.
//
// What watches through one client shares a stream, as always in etcd: a progress
// request of one goes to all, and is answered when all have caught up. See
// NewClient.
func (s *Server) Client() *clientv3.Client { return s.client }

// NewClient returns the same client with a watch stream of its own, and nothing
// else that costs anything. Do not close it either.
func (s *Server) NewClient() *clientv3.Client {
	c := *s.client
	c.Watcher = s.direct.newWatcher(&c)
	return &c
}

// connect makes the server's own client.
func (s *Server) connect() error {
	c, err := clientv3.New(clientv3.Config{
		Context:   s.direct.ctx,
		Endpoints: []string{Endpoint},
		Logger:    s.etcd.Server.Logger(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return s.DialContext(ctx, "tcp", addr)
		})},
	})
	if err != nil {
		return fmt.Errorf("connecting to the embedded etcd: %w", err)
	}
	c.KV = clientv3.NewKVFromKVClient(directKV{s.direct}, c)
	c.Lease = clientv3.NewLeaseFromLeaseClient(adapter.LeaseServerToLeaseClient(directLease{s.direct.lease, s.direct}), c, time.Second)
	c.Watcher = s.direct.newWatcher(c)
	s.client = c
	return nil
}

// direct carries calls from clients in this process to the member. It does what
// the gRPC layer does besides transport.
type direct struct {
	member *etcdserver.EtcdServer
	kv     etcdserverpb.KVServer
	watch  etcdserverpb.WatchServer
	lease  etcdserverpb.LeaseServer

	ctx  context.Context // ends when calls must
	stop context.CancelFunc

	mu     sync.RWMutex // guards closed, and calls.Add against calls.Wait
	closed bool
	calls  sync.WaitGroup

	leaderMu sync.Mutex
	leader   context.Context // ends when the cluster has long had no leader
	lost     context.CancelFunc
}

func newDirect(member *etcdserver.EtcdServer) *direct {
	d := &direct{
		member: member,
		kv:     v3rpc.NewQuotaKVServer(member),
		watch:  v3rpc.NewWatchServer(member),
		lease:  v3rpc.NewQuotaLeaseServer(member),
	}
	d.ctx, d.stop = context.WithCancel(context.Background()) // until close
	d.leader, d.lost = context.WithCancel(d.ctx)
	d.calls.Go(d.watchLeader)
	return d
}

func (d *direct) newWatcher(c *clientv3.Client) clientv3.Watcher {
	return clientv3.NewWatchFromWatchClient(directWatch{d}, c)
}

// close ends all calls and streams and waits for them. The member must still
// run: its database may be gone from under them otherwise.
func (d *direct) close() {
	d.halt()
	d.calls.Wait()
}

// halt admits no more calls, and ends those there are.
func (d *direct) halt() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
}

// hold keeps the member from closing until calls.Done, unless it does already.
func (d *direct) hold() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.closed {
		d.calls.Add(1)
	}
	return !d.closed
}

// begin admits a call, which must call done at its end.
func (d *direct) begin(ctx context.Context, learnerMay bool) (_ context.Context, done func(), _ error) {
	switch {
	case ctx.Err() != nil:
		return nil, nil, status.FromContextError(ctx.Err()).Err()
	case !learnerMay && d.member.IsMemberExist(d.member.MemberID()) && d.member.IsLearner():
		return nil, nil, rpctypes.ErrGRPCNotSupportedForLearner
	case requiresLeader(ctx) && d.member.Leader() == 0:
		return nil, nil, rpctypes.ErrGRPCNoLeader
	case !d.hold():
		return nil, nil, rpctypes.ErrGRPCStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(d.ctx, cancel)
	return ctx, func() {
		detach()
		cancel()
		d.calls.Done()
	}, nil
}

// call makes one call and returns the error that gRPC would.
func call[Request, Response any](ctx context.Context, d *direct, learnerMay bool, request *Request, handle func(context.Context, *Request) (*Response, error)) (*Response, error) {
	inner, done, err := d.begin(ctx, learnerMay)
	if err != nil {
		return nil, err
	}
	defer done()
	response, err := handle(inner, request)
	switch {
	case err == nil:
		return response, nil
	case ctx.Err() != nil:
		return nil, status.FromContextError(ctx.Err()).Err()
	case d.ctx.Err() != nil:
		return nil, rpctypes.ErrGRPCStopped
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, status.FromContextError(err).Err()
	}
	return nil, err
}

func requiresLeader(ctx context.Context) bool {
	md, _ := metadata.FromOutgoingContext(ctx)
	values := md[rpctypes.MetadataRequireLeaderKey]
	return len(values) > 0 && values[0] == rpctypes.MetadataHasLeader
}

// directKV is the client end for keys.
type directKV struct{ *direct }

func (d directKV) Range(ctx context.Context, r *etcdserverpb.RangeRequest, _ ...grpc.CallOption) (*etcdserverpb.RangeResponse, error) {
	for attempt := 1; ; attempt++ {
		response, err := call(ctx, d.direct, r.Serializable, r, d.kv.Range)
		if status.Code(err) != codes.Unavailable || attempt == readAttempts || d.ctx.Err() != nil {
			return response, err
		}
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
		case <-d.ctx.Done():
		}
	}
}

func (d directKV) Put(ctx context.Context, r *etcdserverpb.PutRequest, _ ...grpc.CallOption) (*etcdserverpb.PutResponse, error) {
	return call(ctx, d.direct, false, r, d.kv.Put)
}

func (d directKV) DeleteRange(ctx context.Context, r *etcdserverpb.DeleteRangeRequest, _ ...grpc.CallOption) (*etcdserverpb.DeleteRangeResponse, error) {
	return call(ctx, d.direct, false, r, d.kv.DeleteRange)
}

func (d directKV) Txn(ctx context.Context, r *etcdserverpb.TxnRequest, _ ...grpc.CallOption) (*etcdserverpb.TxnResponse, error) {
	return call(ctx, d.direct, false, r, d.kv.Txn)
}

func (d directKV) Compact(ctx context.Context, r *etcdserverpb.CompactionRequest, _ ...grpc.CallOption) (*etcdserverpb.CompactionResponse, error) {
	return call(ctx, d.direct, false, r, d.kv.Compact)
}

// directLease is the server end for leases.
type directLease struct {
	etcdserverpb.LeaseServer
	direct *direct
}

func (d directLease) LeaseGrant(ctx context.Context, r *etcdserverpb.LeaseGrantRequest) (*etcdserverpb.LeaseGrantResponse, error) {
	return call(ctx, d.direct, false, r, d.LeaseServer.LeaseGrant)
}

func (d directLease) LeaseRevoke(ctx context.Context, r *etcdserverpb.LeaseRevokeRequest) (*etcdserverpb.LeaseRevokeResponse, error) {
	return call(ctx, d.direct, false, r, d.LeaseServer.LeaseRevoke)
}

func (d directLease) LeaseKeepAlive(stream etcdserverpb.Lease_LeaseKeepAliveServer) error {
	ctx, done, err := d.direct.begin(stream.Context(), false)
	if err != nil {
		return d.direct.endOfStream(err)
	}
	defer done()
	return d.direct.endOfStream(d.LeaseServer.LeaseKeepAlive(keepAliveStream{stream, ctx}))
}

type keepAliveStream struct {
	etcdserverpb.Lease_LeaseKeepAliveServer
	ctx context.Context
}

func (s keepAliveStream) Context() context.Context { return s.ctx }

// directWatch is the client end for watches.
type directWatch struct{ *direct }

func (d directWatch) Watch(ctx context.Context, _ ...grpc.CallOption) (etcdserverpb.Watch_WatchClient, error) {
	pipe := newWatchPipe(ctx)
	go func() { pipe.end(d.serveWatch(pipe)) }() // begin and done count it
	return watchClientEnd{watchPipe: pipe}, nil
}

func (d *direct) serveWatch(pipe *watchPipe) error {
	ctx, done, err := d.begin(pipe.ctx, false)
	if err != nil {
		return d.endOfStream(err)
	}
	defer done()
	leader := context.Context(nil)
	if requiresLeader(ctx) {
		leader = d.hasLeader()
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(leader, cancel)()
	}
	err = d.watch.Watch(watchServerEnd{watchPipe: pipe, ctx: ctx})
	if leader != nil && leader.Err() != nil && d.ctx.Err() == nil {
		return rpctypes.ErrGRPCNoLeader
	}
	return d.endOfStream(err)
}

// endOfStream keeps a client from opening the stream again when the server has
// closed for good, which it would do for ever.
func (d *direct) endOfStream(err error) error {
	if d.ctx.Err() != nil {
		return status.Error(codes.Canceled, "etcdserver: server stopped")
	}
	return err
}

// hasLeader returns a context that ends when the cluster has had no leader for
// long.
func (d *direct) hasLeader() context.Context {
	d.leaderMu.Lock()
	defer d.leaderMu.Unlock()
	return d.leader
}

// watchLeader ends the leader's context when the cluster loses its leader, and
// makes a new one.
func (d *direct) watchLeader() {
	cfg := d.member.Cfg
	tick := time.NewTicker(time.Duration(cfg.TickMs) * time.Millisecond * time.Duration(cfg.ElectionTicks))
	defer tick.Stop()
	for without := 0; ; {
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return
		}
		if d.member.Leader() != 0 {
			without = 0
			continue
		}
		if without++; without < leaderPatience {
			continue
		}
		d.leaderMu.Lock()
		d.lost()
		d.leader, d.lost = context.WithCancel(d.ctx)
		d.leaderMu.Unlock()
	}
}
