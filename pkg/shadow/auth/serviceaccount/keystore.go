// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// KeyStore keeps one record, the keys of an Issuer, where all coordinators of a
// pool reach it. The record holds a private key: who can read it can make tokens.
type KeyStore interface {
	// Get returns the record and its revision, nil and 0 if there is none.
	Get(ctx context.Context) (record []byte, revision int64, err error)
	// Put replaces the record if it still has that revision, 0 if there is still
	// none. It says whether it has, and has made the record durable then.
	Put(ctx context.Context, record []byte, revision int64) (bool, error)
}

// EtcdKeyStore keeps the record under a key of its own in etcd.
type EtcdKeyStore struct {
	kv  clientv3.KV
	key string
}

var _ KeyStore = &EtcdKeyStore{}

// NewEtcdKeyStore returns a store that uses the key, which must be outside of the
// prefix under which API objects are.
func NewEtcdKeyStore(kv clientv3.KV, key string) *EtcdKeyStore {
	return &EtcdKeyStore{kv: kv, key: key}
}

// Get reads the record as a majority of etcd has it.
func (s *EtcdKeyStore) Get(ctx context.Context) ([]byte, int64, error) {
	response, err := s.kv.Get(ctx, s.key)
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s from etcd: %w", s.key, err)
	}
	if len(response.Kvs) == 0 {
		return nil, 0, nil
	}
	return response.Kvs[0].Value, response.Kvs[0].ModRevision, nil
}

// Put writes the record unless somebody else has.
func (s *EtcdKeyStore) Put(ctx context.Context, record []byte, revision int64) (bool, error) {
	response, err := s.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(s.key), "=", revision)).
		Then(clientv3.OpPut(s.key, string(record))).
		Commit()
	if err != nil {
		return false, fmt.Errorf("writing %s to etcd: %w", s.key, err)
	}
	return response.Succeeded, nil
}
