// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"io"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// watchResponses is how many responses may lie in a pipe. It saves switches
// between goroutines when many come at once.
const watchResponses = 16

// watchPipe joins etcd's watch client to its watch server. Sending a request never
// waits: the client, which sends requests and reads responses in one goroutine,
// would otherwise wait for a server that waits for it. (The pipe in etcd's own
// adapter has that deadlock; over gRPC the buffers of the transport hide it.)
type watchPipe struct {
	ctx       context.Context // of the client's end
	responses chan *etcdserverpb.WatchResponse
	ended     chan struct{} // closed when the server's end has returned
	err       error         // what it returned; set before ended is closed

	mu       sync.Mutex
	requests []*etcdserverpb.WatchRequest // bounded by what is watched, see Send
	more     chan struct{}                // holds a token when there are requests
}

func newWatchPipe(ctx context.Context) *watchPipe {
	return &watchPipe{
		ctx:       ctx,
		responses: make(chan *etcdserverpb.WatchResponse, watchResponses),
		ended:     make(chan struct{}),
		more:      make(chan struct{}, 1),
	}
}

// end tells the client why the server's end has returned.
func (p *watchPipe) end(err error) {
	if p.err = err; err == nil {
		p.err = io.EOF
	}
	close(p.ended)
}

// watchClientEnd is what the watch client holds.
type watchClientEnd struct {
	grpc.ClientStream // nil; the watch client calls none of it
	*watchPipe
}

// Send queues a request. A watch is created once and cancelled once; requests for
// progress that follow each other are one.
func (p watchClientEnd) Send(r *etcdserverpb.WatchRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.requests); n > 0 && p.requests[n-1].GetProgressRequest() != nil && r.GetProgressRequest() != nil {
		return nil
	}
	p.requests = append(p.requests, r)
	select {
	case p.more <- struct{}{}:
	default:
	}
	return nil
}

func (p watchClientEnd) Recv() (*etcdserverpb.WatchResponse, error) {
	select {
	case r := <-p.responses:
		return r, nil
	case <-p.ctx.Done():
		return nil, status.FromContextError(p.ctx.Err()).Err()
	case <-p.ended:
	}
	select {
	case r := <-p.responses: // sent before the end
		return r, nil
	default:
		return nil, p.err
	}
}

func (p watchClientEnd) Context() context.Context { return p.ctx }

func (p watchClientEnd) CloseSend() error { return nil }

// watchServerEnd is what the watch server holds.
type watchServerEnd struct {
	grpc.ServerStream // nil; the watch server calls none of it
	*watchPipe
	ctx context.Context // ends with the client's, or earlier
}

func (p watchServerEnd) Send(r *etcdserverpb.WatchResponse) error {
	select {
	case p.responses <- r:
		return nil
	case <-p.ctx.Done():
		return status.FromContextError(p.ctx.Err()).Err()
	}
}

func (p watchServerEnd) Recv() (*etcdserverpb.WatchRequest, error) {
	for {
		p.mu.Lock()
		if len(p.requests) > 0 {
			r := p.requests[0]
			p.requests = p.requests[1:]
			p.mu.Unlock()
			return r, nil
		}
		p.mu.Unlock()
		select {
		case <-p.more:
		case <-p.ctx.Done():
			return nil, status.FromContextError(p.ctx.Err()).Err()
		}
	}
}

func (p watchServerEnd) Context() context.Context { return p.ctx }
