// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"fmt"
	"strings"
	"testing"
)

// A log that has more than raft hands out at once is replayed in parts, and the first
// has a leader's first entry already, of an earlier life.
func TestLongLogIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	value := strings.Repeat("x", 100<<10)
	for i := range 60 {
		if _, err := s.Client().Put(t.Context(), fmt.Sprint("key-", i), value); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Start(t.Context(), Config{Dir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
