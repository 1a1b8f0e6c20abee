// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Balancer spreads TCP connections over ports of loopback, as a Service does
// over pods: in turn, passing over those that refuse.
type Balancer struct {
	// Port is where it listens on loopback.
	Port int

	listener net.Listener
	ports    []int
	next     atomic.Uint64
	open     sync.WaitGroup
}

// NewBalancer starts a balancer. Close ends it.
func NewBalancer(ports ...int) (*Balancer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Balancer{Port: listener.Addr().(*net.TCPAddr).Port, listener: listener, ports: ports}
	b.open.Go(b.accept)
	return b, nil
}

// Close stops taking connections and returns when those open have ended.
func (b *Balancer) Close() error {
	err := b.listener.Close()
	b.open.Wait()
	return err
}

func (b *Balancer) accept() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.open.Go(func() { b.pass(client) })
	}
}

func (b *Balancer) pass(client net.Conn) {
	defer client.Close()
	server, err := b.dial()
	if err != nil {
		return
	}
	defer server.Close()
	var copies sync.WaitGroup
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		copies.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			pair[0].Close() // wakes the other direction
		})
	}
	copies.Wait()
}

func (b *Balancer) dial() (conn net.Conn, err error) {
	for range b.ports {
		port := b.ports[b.next.Add(1)%uint64(len(b.ports))]
		if conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return conn, nil
		}
	}
	return nil, errors.Join(errors.New("no server answers"), err)
}
