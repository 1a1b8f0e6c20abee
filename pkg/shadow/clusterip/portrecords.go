// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/types"
)

// portRecords are keys in etcd, one for each node port that is given: Prefix, and
// the port in decimals. The value names the Service in JSON.
type portRecords struct {
	etcd   clientv3.KV
	prefix string
}

// portRecord says who has a port. The revision tells it from an earlier or later
// record of the same port.
type portRecord struct {
	port     int32
	owner    types.NamespacedName
	revision int64
}

type portOwner struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (r *portRecords) key(port int32) string {
	return path.Join(r.prefix, strconv.Itoa(int(port)))
}

// create records all ports or none. It returns false if one is taken. Ports whose
// record is the owner's already, as it was read, are taken over: the record is
// another one afterwards.
func (r *portRecords) create(ctx context.Context, owner types.NamespacedName, ports []int32, read map[int32]portRecord) ([]portRecord, bool, error) {
	value, err := json.Marshal(portOwner(owner))
	if err != nil {
		return nil, false, err
	}
	var free []clientv3.Cmp
	var puts []clientv3.Op
	for _, port := range ports {
		// The revision of a key that does not exist is 0.
		free = append(free, clientv3.Compare(clientv3.ModRevision(r.key(port)), "=", read[port].revision))
		puts = append(puts, clientv3.OpPut(r.key(port), string(value)))
	}
	response, err := r.etcd.Txn(ctx).If(free...).Then(puts...).Commit()
	if err != nil {
		return nil, false, fmt.Errorf("recording node ports: %w", err)
	}
	if !response.Succeeded {
		return nil, false, nil
	}
	records := make([]portRecord, len(ports))
	for i, port := range ports {
		records[i] = portRecord{port, owner, response.Header.Revision}
	}
	return records, true, nil
}

func (r *portRecords) get(ctx context.Context, port int32) (portRecord, bool, error) {
	response, err := r.etcd.Get(ctx, r.key(port))
	if err != nil {
		return portRecord{}, false, fmt.Errorf("reading the record of node port %d: %w", port, err)
	}
	if len(response.Kvs) == 0 {
		return portRecord{}, false, nil
	}
	return parsePortRecord(port, response.Kvs[0].Value, response.Kvs[0].ModRevision), true, nil
}

func (r *portRecords) list(ctx context.Context) (map[int32]portRecord, error) {
	response, err := r.etcd.Get(ctx, path.Clean(r.prefix)+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("listing records of node ports: %w", err)
	}
	records := make(map[int32]portRecord, len(response.Kvs))
	for _, kv := range response.Kvs {
		port, err := strconv.ParseInt(path.Base(string(kv.Key)), 10, 32)
		if err != nil {
			continue // nobody's port
		}
		records[int32(port)] = parsePortRecord(int32(port), kv.Value, kv.ModRevision)
	}
	return records, nil
}

// delete deletes this very record, not one that has been made since.
func (r *portRecords) delete(ctx context.Context, record portRecord) error {
	key := r.key(record.port)
	_, err := r.etcd.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", record.revision)).Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return fmt.Errorf("deleting the record of node port %d: %w", record.port, err)
	}
	return nil
}

// parsePortRecord gives a record that cannot be read no owner: the port is not
// given until repair has removed it.
func parsePortRecord(port int32, value []byte, revision int64) portRecord {
	var owner portOwner
	_ = json.Unmarshal(value, &owner)
	return portRecord{port, types.NamespacedName(owner), revision}
}
