// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// startEtcd returns a client of an etcd that ends with the test.
func startEtcd(t *testing.T) *clientv3.Client {
	t.Helper()
	member, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := member.Close(); err != nil {
			t.Error(err)
		}
	})
	return member.Client()
}

// stand has a coordinator stand for an office until the function that it returns is
// called. The channel is closed when the coordinator has the office.
func stand(t *testing.T, client *clientv3.Client) (inOffice <-chan struct{}, retire func()) {
	t.Helper()
	c := &Config{Pool: "hangzhou", Etcd: client}
	ctx, cancel := context.WithCancel(t.Context())
	began, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := c.elected(ctx, "a-job", func(ctx context.Context) {
			close(began)
			<-ctx.Done()
		})
		if err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	return began, func() {
		cancel()
		<-ended
	}
}

func TestOneCoordinatorAtATime(t *testing.T) {
	client := startEtcd(t)
	first, retire := stand(t, client)
	<-first
	second, retireSecond := stand(t, client)
	select {
	case <-second:
		t.Error("two do the job at a time")
	case <-time.After(200 * time.Millisecond):
	}
	retire()
	select {
	case <-second:
	case <-time.After(electionSeconds * time.Second / 3):
		t.Error("the second waits for the first one's office to expire")
	}
	retireSecond()
}

// A coordinator that starts again must not wait for what it has left behind.
func TestOfficeIsGivenUp(t *testing.T) {
	client := startEtcd(t)
	inOffice, retire := stand(t, client)
	<-inOffice
	retire()
	left, err := client.Get(t.Context(), elections, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Kvs) > 0 {
		t.Errorf("%s is still there", left.Kvs[0].Key)
	}
	leases, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(leases.Leases) > 0 {
		t.Errorf("%d leases are left", len(leases.Leases))
	}
}

// A job ends when its coordinator is no longer known to be there.
func TestJobEndsWithItsOffice(t *testing.T) {
	client := startEtcd(t)
	c := &Config{Pool: "hangzhou", Etcd: client}
	err := c.elected(t.Context(), "a-job", func(ctx context.Context) {
		leases, err := client.Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Revoke(t.Context(), leases.Leases[0].ID); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * electionSeconds * time.Second):
			t.Error("it goes on")
		}
	})
	if err != nil {
		t.Error(err)
	}
}
