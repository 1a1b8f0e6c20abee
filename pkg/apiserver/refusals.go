// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// explainRefusals has etcd refuse writes in a way that clients of the API understand.
// Left alone, they are told of an unknown error, in the words of etcd.
func explainRefusals(client *clientv3.Client) {
	client.KV = explainedKV{client.KV}
	client.Lease = explainedLease{client.Lease}
}

// explain makes an API error of etcd's.
func explain(err error) error {
	is := func(known ...error) bool {
		for _, k := range known {
			if errors.Is(err, k) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return nil
	case is(rpctypes.ErrNoSpace):
		return apierrors.NewServiceUnavailable("the database of this server is full: nothing can be written until something has been deleted or --etcd-quota-backend-bytes is raised")
	case is(rpctypes.ErrNoLeader):
		return apierrors.NewServiceUnavailable("the database of this server cannot be written to: most of its members must be up and reach each other")
	case is(rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrTimeoutDueToConnectionLost, rpctypes.ErrStopped):
		return apierrors.NewTimeoutError("the database of this server did not answer in time: whether it has been written to is not known", 0)
	default:
		return err
	}
}

type explainedKV struct{ clientv3.KV }

func (kv explainedKV) Txn(ctx context.Context) clientv3.Txn { return explainedTxn{kv.KV.Txn(ctx)} }

type explainedTxn struct{ clientv3.Txn }

func (t explainedTxn) If(conditions ...clientv3.Cmp) clientv3.Txn {
	return explainedTxn{t.Txn.If(conditions...)}
}

func (t explainedTxn) Then(operations ...clientv3.Op) clientv3.Txn {
	return explainedTxn{t.Txn.Then(operations...)}
}

func (t explainedTxn) Else(operations ...clientv3.Op) clientv3.Txn {
	return explainedTxn{t.Txn.Else(operations...)}
}

func (t explainedTxn) Commit() (*clientv3.TxnResponse, error) {
	response, err := t.Txn.Commit()
	return response, explain(err)
}

// explainedLease is for objects that expire.
type explainedLease struct{ clientv3.Lease }

func (l explainedLease) Grant(ctx context.Context, seconds int64) (*clientv3.LeaseGrantResponse, error) {
	response, err := l.Lease.Grant(ctx, seconds)
	return response, explain(err)
}
