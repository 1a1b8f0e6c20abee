// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestKillKeepsWhatWasAcknowledged kills a member in the middle of writes, again and
// again. What it acknowledged must be there, and of a transaction all or nothing.
func TestKillKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	const writers = 8
	cfg := Config{Dir: filepath.Join(shortDir(t), "data")}
	acknowledged := [writers]int{} // how many pairs each has written
	for round := range rounds {
		p := spawn(t, cfg)
		p.waitReady(t)
		client := p.client(t)
		checkPairs(t, client, acknowledged[:])
		if t.Failed() {
			t.Fatalf("after %d rounds", round)
		}
		var writing sync.WaitGroup
		for w := range writers {
			// What was in flight when the member was killed may be there or not;
			// writing it again changes nothing.
			writing.Go(func() {
				for i := acknowledged[w]; ; i++ {
					_, err := client.Txn(t.Context()).Then(
						clientv3.OpPut(fmt.Sprintf("/left/%d/%06d", w, i), fmt.Sprint(i)),
						clientv3.OpPut(fmt.Sprintf("/right/%d/%06d", w, i), fmt.Sprint(i)),
					).Commit()
					if err != nil {
						return
					}
					acknowledged[w] = i + 1
				}
			})
		}
		time.Sleep(rand.N(300 * time.Millisecond)) // the kill may fall anywhere
		p.kill()
		client.Close()
		writing.Wait()
	}
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	if total < rounds {
		t.Errorf("only %d writes were acknowledged in %d rounds", total, rounds)
	}
}

// checkPairs looks for all that was acknowledged, and for halves.
func checkPairs(t *testing.T, client *clientv3.Client, acknowledged []int) {
	t.Helper()
	for w, n := range acknowledged {
		left, right := readValues(t, client, fmt.Sprintf("/left/%d/", w)), readValues(t, client, fmt.Sprintf("/right/%d/", w))
		for i := range n {
			if left[i] != fmt.Sprint(i) {
				t.Errorf("write %d of writer %d is lost: %q", i, w, left[i])
			}
		}
		if len(left) != len(right) || len(left) < n || len(left) > n+1 {
			t.Errorf("writer %d has %d and %d halves, %d were acknowledged", w, len(left), len(right), n)
		}
	}
}

func readValues(t *testing.T, client *clientv3.Client, prefix string) map[int]string {
	t.Helper()
	got, err := client.Get(t.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	values := map[int]string{}
	for _, kv := range got.Kvs {
		var i int
		if _, err := fmt.Sscanf(string(kv.Key[len(prefix):]), "%d", &i); err != nil {
			t.Fatal(err)
		}
		values[i] = string(kv.Value)
	}
	return values
}
