// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeSource writes modules that no test compiles.
func fakeSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, module := range []string{"kubernetes", "etcd", "containerd", "cni", "coredns"} {
		writeFile(t, filepath.Join(dir, module, "go.mod"), "module x\n\ngo 1.26.0\n")
		writeFile(t, filepath.Join(dir, module, "go.sum"), "")
	}
	return dir
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// testBuilder compiles by writing a file, and counts.
func testBuilder(t *testing.T, source, cache string, compiled *atomic.Int32) *builder {
	t.Helper()
	b, err := newBuilder(Options{Source: source, Cache: cache, Progress: &strings.Builder{}})
	if err != nil {
		t.Fatal(err)
	}
	b.compile = func(_ context.Context, p program, out string) error {
		compiled.Add(1)
		return os.WriteFile(out, []byte(p.name), 0o755)
	}
	return b
}

func pathOf(t *testing.T, b *builder, name string) string {
	t.Helper()
	programs, err := selectPrograms([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	path, err := b.path(t.Context(), programs[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyFollowsWhatDecidesTheResult(t *testing.T) {
	source, cache := fakeSource(t), t.TempDir()
	var n atomic.Int32
	before := pathOf(t, testBuilder(t, source, cache, &n), Etcd)
	if again := pathOf(t, testBuilder(t, source, cache, &n), Etcd); again != before {
		t.Errorf("same inputs gave %s and %s", before, again)
	}
	otherModule := pathOf(t, testBuilder(t, source, cache, &n), Ctr)
	for _, name := range []string{"go.mod", "go.sum"} {
		path := filepath.Join(source, "etcd", name)
		old, _ := os.ReadFile(path)
		writeFile(t, path, string(old)+"// changed\n")
		if after := pathOf(t, testBuilder(t, source, cache, &n), Etcd); after == before {
			t.Errorf("changing %s did not change the key", name)
		}
		writeFile(t, path, string(old))
	}
	if after := pathOf(t, testBuilder(t, source, cache, &n), Ctr); after != otherModule {
		t.Errorf("the key of a module depends on another module")
	}
}

func TestConcurrentBuildersCompileOnce(t *testing.T) {
	source, cache := fakeSource(t), t.TempDir()
	var compiled atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		b := testBuilder(t, source, cache, &compiled)
		path := pathOf(t, b, Etcd)
		wg.Go(func() {
			if err := b.build(t.Context(), program{Etcd, "etcd", "x"}, path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := compiled.Load(); got != 1 {
		t.Errorf("compiled %d times, want once", got)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	source, cache := fakeSource(t), t.TempDir()
	var n atomic.Int32
	b := testBuilder(t, source, cache, &n)
	path := pathOf(t, b, Etcd)
	broken := errors.New("no space left")
	b.compile = func(_ context.Context, _ program, out string) error {
		if err := os.WriteFile(out, []byte("half a prog"), 0o755); err != nil {
			return err
		}
		return broken
	}
	if err := b.build(t.Context(), program{Etcd, "etcd", "x"}, path); !errors.Is(err, broken) {
		t.Fatalf("build error = %v, want the compiler's", err)
	}
	if isFile(path) {
		t.Errorf("half-built program is in the cache")
	}
	left, _ := filepath.Glob(filepath.Join(cache, "building-*"))
	if len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
}

func TestPruneKeepsTheRecentlyUsed(t *testing.T) {
	source, cache := fakeSource(t), t.TempDir()
	ages := map[string]time.Duration{"etcd-a": 4 * time.Hour, "etcd-b": 1 * time.Hour, "etcd-c": 3 * time.Hour, "etcd-d": 2 * time.Hour, "kubernetes-a": 9 * time.Hour}
	for name, age := range ages {
		writeFile(t, filepath.Join(cache, name, "x"), "")
		when := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(cache, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	var n atomic.Int32
	b := testBuilder(t, source, cache, &n)
	if err := b.build(t.Context(), program{Etcd, "etcd", "x"}, pathOf(t, b, Etcd)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"etcd-a": false, "etcd-b": true, "etcd-c": false, "etcd-d": true, "kubernetes-a": true} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s kept = %t, want %t", name, err == nil, want)
		}
	}
}

func TestEnsureRefusesUnknownPrograms(t *testing.T) {
	if _, err := Ensure(t.Context(), Options{Source: fakeSource(t), Cache: t.TempDir()}, "kubeadm"); err == nil || !strings.Contains(err.Error(), "kube-apiserver") {
		t.Errorf("error = %v, want one that lists the programs", err)
	}
}

// The catalog and the modules under hack/binaries are two lists of the same
// programs; this keeps them one.
func TestCatalogMatchesModules(t *testing.T) {
	source, err := findSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range catalog {
		mod, err := os.ReadFile(filepath.Join(source, p.module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(mod), "\t"+p.pkg+"\n") && !strings.Contains(string(mod), "\ntool "+p.pkg+"\n") {
			t.Errorf("hack/binaries/%s/go.mod has no tool %s", p.module, p.pkg)
		}
		if p.module == "kubernetes" && !strings.Contains(string(mod), "k8s.io/kubernetes "+KubernetesVersion) {
			t.Errorf("hack/binaries/kubernetes/go.mod does not require k8s.io/kubernetes %s", KubernetesVersion)
		}
	}
}
