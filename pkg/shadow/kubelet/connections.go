// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"errors"
	"net"
	"sync"
	"time"
)

// maxConnections bounds the memory of streams, 100 to 200 kB each with both of
// their ends. Followed logs of all pods of a site fit in.
const maxConnections = 512

var (
	errTooMany = errors.New("too many connections to nodes and pods are open")
	errClosed  = errors.New("the server is shutting down")
)

// connections are those that are open, so that they can be counted and closed.
type connections struct {
	mu     sync.Mutex // guards the fields below
	open   map[*connection]struct{}
	closed bool
}

// reserve takes a place among the connections for one that is about to be made.
// Its Close gives the place back.
func (c *connections) reserve() (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if len(c.open) >= maxConnections {
		return nil, errTooMany
	}
	if c.open == nil {
		c.open = map[*connection]struct{}{}
	}
	conn := &connection{owner: c}
	c.open[conn] = struct{}{}
	return conn, nil
}

// closeAll closes what is open, waits for it and has reserve fail from now on.
func (c *connections) closeAll() {
	c.mu.Lock()
	c.closed = true
	open := make([]net.Conn, 0, len(c.open))
	for conn := range c.open {
		if conn.Conn != nil {
			open = append(open, conn)
		}
	}
	c.mu.Unlock()
	// The farewell of TLS may take seconds where nobody listens any more.
	var closing sync.WaitGroup
	for _, conn := range open {
		closing.Go(func() { conn.Close() })
	}
	closing.Wait()
}

// connection gives its place among the connections back when it is closed.
type connection struct {
	net.Conn // nil until established; guarded by owner.mu until then

	owner    *connections
	answered sync.Once
}

// established makes conn the one that a place was reserved for. Its first bytes
// must come within answerWithin, unless that is 0.
func (c *connection) established(conn net.Conn, answerWithin time.Duration) error {
	if answerWithin > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
			return err
		}
	} else {
		c.answered.Do(func() {})
	}
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	if c.owner.closed {
		return errClosed
	}
	c.Conn = conn
	return nil
}

// Read lifts the deadline for the answer once that has begun.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.answered.Do(func() { _ = c.SetReadDeadline(time.Time{}) }) // fails on a closed connection only
	}
	return n, err
}

// release gives the place back.
func (c *connection) release() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	delete(c.owner.open, c)
}

// Close closes the connection.
func (c *connection) Close() error {
	c.release()
	return c.Conn.Close()
}
