// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Git refuses to look into a checkout of another user's, and where it does look,
// every commit would make another digest.
func TestCompileDoesNotAskGit(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles; not with -short")
	}
	t.Setenv("GOENV", "off")
	t.Setenv("GOFLAGS", "")
	checkout := t.TempDir()
	err := errors.Join(
		os.Mkdir(filepath.Join(checkout, ".git"), 0o755), // a repository that git fails on
		os.WriteFile(filepath.Join(checkout, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n"), 0o644),
		os.WriteFile(filepath.Join(checkout, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := Compile(t.Context(), checkout, ".", filepath.Join(checkout, "out"), runtime.GOARCH, "v0.0.0"); err != nil {
		t.Fatal(err)
	}
}
