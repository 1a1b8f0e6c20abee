// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package testcluster

import (
	"os"
	"testing"
	"time"
)

func TestFoldersOfKilledTestsAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	old := time.Now().Add(-time.Hour)
	used, remove, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	abandoned, err := os.MkdirTemp("", dirPrefix) //nolint:usetesting // its name is what is tested
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp("", dirPrefix) //nolint:usetesting // its name is what is tested
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{used, abandoned} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	own, removeOwn, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	removeOwn()
	for dir, want := range map[string]bool{used: true, abandoned: false, fresh: true, own: false} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s exists: %t, want %t", dir, err == nil, want)
		}
	}
}
