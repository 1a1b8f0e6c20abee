// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// BenchmarkClient compares the two ways to a member by the calls of an API server,
// on objects of the size of a pod. Disk writes are not waited for: they would hide
// the difference.
func BenchmarkClient(b *testing.B) {
	s := startMember(b, Config{Dir: b.TempDir(), UnsafeNoFsync: true})
	value := strings.Repeat("x", 2500)
	for i := range 1000 {
		if _, err := s.Client().Put(b.Context(), fmt.Sprintf("/list/%04d", i), value); err != nil {
			b.Fatal(err)
		}
	}
	operations := []struct {
		name string
		do   func(b *testing.B, c *clientv3.Client) error
	}{
		{"get", func(b *testing.B, c *clientv3.Client) error {
			_, err := c.Get(b.Context(), "/list/0500")
			return err
		}},
		{"put", func(b *testing.B, c *clientv3.Client) error {
			_, err := c.Put(b.Context(), "/key", value)
			return err
		}},
		{"txn", func(b *testing.B, c *clientv3.Client) error { // an update of an API server
			_, err := c.Txn(b.Context()).If(clientv3.Compare(clientv3.ModRevision("/key"), "!=", 0)).
				Then(clientv3.OpPut("/key", value)).Else(clientv3.OpGet("/key")).Commit()
			return err
		}},
		{"range1000", func(b *testing.B, c *clientv3.Client) error {
			_, err := c.Get(b.Context(), "/list/", clientv3.WithPrefix())
			return err
		}},
	}
	for _, operation := range operations {
		for way, client := range clients(b, s) {
			b.Run(operation.name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := operation.do(b, client); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	for way, client := range clients(b, s) {
		b.Run("watch/"+way, func(b *testing.B) { // from the write until the event is there
			watch := client.Watch(b.Context(), "/watched", clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
			<-watch
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Client().Put(b.Context(), "/watched", value); err != nil {
					b.Fatal(err)
				}
				if r := <-watch; len(r.Events) != 1 {
					b.Fatalf("got %+v, want one event", r)
				}
			}
		})
	}
}
