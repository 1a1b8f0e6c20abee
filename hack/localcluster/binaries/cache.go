// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// keepKeys is how many builds of a module survive pruning: the present one, the
// one of the branch one came from, and one more. A module's build is up to
// 550 MB.
const keepKeys = 3

// Set maps a program's name to the absolute path of its executable.
type Set map[string]string

// Options says where Ensure finds the sources and keeps the results. The zero
// value is right for callers inside the checkout.
type Options struct {
	// Source is the folder that holds one module per subfolder. Empty means
	// hack/binaries of the checkout around the working directory.
	Source string
	// Cache is the folder of the results. Empty means DefaultCache.
	Cache string
	// Progress receives a line per program that has to be compiled, and
	// nothing when all are there. Nil means standard error.
	Progress io.Writer
}

// DefaultCache returns $STEPPE_CACHE, or /var/cache/steppe for root, or
// steppe in the user's cache directory ($XDG_CACHE_HOME or ~/.cache).
func DefaultCache() (string, error) {
	if dir := os.Getenv("STEPPE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/steppe", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the binaries (set STEPPE_CACHE): %w", err)
	}
	return filepath.Join(dir, "steppe"), nil
}

// Ensure returns the executables of the named programs, compiling those that
// the cache does not hold. It may be called by several processes at once. It
// needs no network once the modules are in the module cache.
func Ensure(ctx context.Context, opts Options, names ...string) (Set, error) {
	programs, err := selectPrograms(names)
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(opts)
	if err != nil {
		return nil, err
	}
	set := Set{}
	var missing []program
	for _, p := range programs {
		path, err := b.path(ctx, p)
		if err != nil {
			return nil, err
		}
		set[p.name] = path
		if !isFile(path) {
			missing = append(missing, p)
		}
	}
	if err := b.buildAll(ctx, missing, set); err != nil {
		return nil, err
	}
	b.markUsed()
	return set, nil
}

// builder compiles programs into the cache.
type builder struct {
	source, cache string
	progress      io.Writer
	dirs          map[string]string // module → its directory in the cache
	// compile writes the executable of p to out; tests replace it.
	compile func(ctx context.Context, p program, out string) error
}

func newBuilder(opts Options) (*builder, error) {
	b := &builder{source: opts.Source, cache: opts.Cache, progress: opts.Progress, dirs: map[string]string{}}
	b.compile = b.goBuild
	var err error
	if b.source == "" {
		if b.source, err = findSource(); err != nil {
			return nil, err
		}
	}
	if b.cache == "" {
		if b.cache, err = DefaultCache(); err != nil {
			return nil, err
		}
	}
	if b.progress == nil {
		b.progress = os.Stderr
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return nil, fmt.Errorf("create the cache of binaries (set STEPPE_CACHE to choose another place): %w", err)
	}
	return b, nil
}

// path returns where p's executable is, or will be.
func (b *builder) path(ctx context.Context, p program) (string, error) {
	dir, ok := b.dirs[p.module]
	if !ok {
		key, err := b.key(ctx, p.module)
		if err != nil {
			return "", err
		}
		dir = filepath.Join(b.cache, p.module+"-"+key)
		b.dirs[p.module] = dir
	}
	return filepath.Join(dir, p.name), nil
}

// key hashes all that decides what a build of module yields.
func (b *builder) key(ctx context.Context, module string) (string, error) {
	dir := filepath.Join(b.source, module)
	version, err := goVersion(ctx, dir)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", version, buildFlags(module))
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("read the pinned versions of %s: %w", module, err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(content))
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// buildAll compiles the missing programs, one after the other: the compiler
// itself uses all processors.
func (b *builder) buildAll(ctx context.Context, missing []program, set Set) error {
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(b.progress, "building %d programs once into %s (a cold build of all takes 5 to 15 minutes on two cores)\n", len(missing), b.cache)
	start := time.Now()
	for i, p := range missing {
		began := time.Now()
		fmt.Fprintf(b.progress, "  [%d/%d] %s ...\n", i+1, len(missing), p.name)
		if err := b.build(ctx, p, set[p.name]); err != nil {
			return err
		}
		fmt.Fprintf(b.progress, "  [%d/%d] %s built in %s, %s in all\n", i+1, len(missing), p.name, seconds(began), seconds(start))
	}
	return nil
}

func seconds(since time.Time) time.Duration { return time.Since(since).Round(100 * time.Millisecond) }

// build compiles p to path under the module's lock.
func (b *builder) build(ctx context.Context, p program, path string) error {
	unlock, err := lock(ctx, filepath.Join(b.cache, p.module+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if isFile(path) { // another process was quicker
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(b.cache, "building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	out := filepath.Join(temp, p.name)
	if err := b.compile(ctx, p, out); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	if err := os.Rename(out, path); err != nil {
		return err
	}
	return b.prune(p.module)
}

// goBuild is the real compile.
func (b *builder) goBuild(ctx context.Context, p program, out string) error {
	args := append([]string{"build"}, buildFlags(p.module)...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", out, p.pkg)...)
	cmd.Dir = filepath.Join(b.source, p.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	// It must not go on when this process is killed; the signal comes when this
	// thread ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.TrimSpace(string(output)))
	}
	return nil
}

// markUsed records the use of the directories for prune.
func (b *builder) markUsed() {
	now := time.Now()
	for _, dir := range b.dirs {
		// Not ours to touch (a cache shared by root) is no reason to fail.
		_ = os.Chtimes(dir, now, now)
	}
}

// prune removes the builds of module that were not used for longest, and what
// killed builders left behind. The module's lock is held.
func (b *builder) prune(module string) error {
	entries, err := os.ReadDir(b.cache)
	if err != nil {
		return err
	}
	type build struct {
		path string
		used time.Time
	}
	var builds []build
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		path := filepath.Join(b.cache, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "building-") && time.Since(info.ModTime()) > 24*time.Hour:
			_ = os.RemoveAll(path)
		case e.IsDir() && strings.HasPrefix(e.Name(), module+"-") && path != b.dirs[module]:
			builds = append(builds, build{path, info.ModTime()})
		}
	}
	slices.SortFunc(builds, func(x, y build) int { return cmp.Compare(y.used.UnixNano(), x.used.UnixNano()) })
	for _, old := range builds[min(keepKeys-1, len(builds)):] {
		if err := os.RemoveAll(old.path); err != nil {
			return fmt.Errorf("prune the cache of binaries: %w", err)
		}
	}
	return nil
}

// lock takes the exclusive lock file at path, waiting for its holder.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another build to end (%s): %w", path, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// goVersion asks in dir, because its go.mod may choose another toolchain.
func goVersion(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask for the go version in %s: %w", dir, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
