// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/steppe-io/steppe/pkg/etcd"
)

func TestRefusalsOfAFullDatabase(t *testing.T) {
	const megabyte = 1 << 20
	member, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), QuotaBytes: 4 * megabyte, UnsafeNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	client := member.NewClient()
	explainRefusals(client)
	put := func(i int) error {
		key := fmt.Sprint("/object-", i)
		_, err := client.Txn(t.Context()).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, strings.Repeat("x", megabyte))).Else(clientv3.OpGet(key)).Commit()
		return err
	}
	// The database notices how large it is now and then.
	for i, began := 0, time.Now(); err == nil && time.Since(began) < time.Minute; i++ {
		err = put(i)
	}
	if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "full") {
		t.Errorf("a write is refused with %v", err)
	}
	if _, err := client.Grant(t.Context(), 60); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("a lease is refused with %v", err)
	}
	if _, err := client.Txn(t.Context()).Then(clientv3.OpDelete("/object-0")).Commit(); err != nil {
		t.Errorf("a deletion, which makes room, is refused with %v", err)
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err   error
		is    func(error) bool
		claim string
	}{
		{rpctypes.ErrNoLeader, apierrors.IsServiceUnavailable, "it was surely not written"},
		{rpctypes.ErrTimeout, apierrors.IsTimeout, "it may have been written"},
		{rpctypes.ErrTimeoutDueToLeaderFail, apierrors.IsTimeout, "it may have been written"},
		{rpctypes.ErrCompacted, func(err error) bool { return errors.Is(err, rpctypes.ErrCompacted) }, "others look at it"},
		{context.Canceled, func(err error) bool { return errors.Is(err, context.Canceled) }, "it is not etcd's"},
	} {
		if got := explain(c.err); !c.is(got) {
			t.Errorf("%v becomes %v, and %s", c.err, got, c.claim)
		}
	}
	if explain(nil) != nil {
		t.Error("no error becomes one")
	}
}
