// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package unsynced

import (
	"path/filepath"
	"testing"
)

func TestMark(t *testing.T) {
	m := Mark(filepath.Join(t.TempDir(), "unsynced"))
	expect := func(want bool) {
		t.Helper()
		if set, err := m.IsSet(); err != nil || set != want {
			t.Fatalf("it is set: %t, %v; want %t", set, err, want)
		}
	}
	expect(false)
	for range 2 {
		if err := m.Set(); err != nil {
			t.Fatal(err)
		}
		expect(true)
	}
	for range 2 {
		if err := m.Clear(); err != nil {
			t.Fatal(err)
		}
		expect(false)
	}
}

func TestMarkThatCannotBeSet(t *testing.T) {
	m := Mark(filepath.Join(t.TempDir(), "missing", "unsynced"))
	if err := m.Set(); err == nil {
		t.Error("it is said to be on disk")
	}
}
