// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/steppe-io/steppe/hack/image"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// quiet is how long servers are left alone before their memory at rest is read.
// The garbage collector runs every two minutes at the latest.
var quiet = flag.Duration("quiet", 130*time.Second, "how long servers rest before their memory is read")

// version is what the coordinator believes to be.
const version = "v0.0.0-bench"

// The servers that benchmarks share, and what they run.
var (
	workDir  string
	programs binaries.Set
	shadow   string // the coordinator's executable

	stops   []func() // of what is running at the end
	stopsMu sync.Mutex
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (_ int, err error) {
	if workDir, err = os.MkdirTemp("", "steppe-bench-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(workDir)
	ctx := context.Background()
	if programs, err = binaries.Ensure(ctx, binaries.Options{}, binaries.Etcd, binaries.KubeAPIServer); err != nil {
		return 1, err
	}
	if shadow, err = compile(ctx); err != nil {
		return 1, err
	}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	return m.Run(), nil
}

// compile makes the executable that users run.
func compile(ctx context.Context) (string, error) {
	checkout, err := binaries.Checkout()
	if err != nil {
		return "", err
	}
	arch, err := exec.CommandContext(ctx, "go", "env", "GOARCH").Output()
	if err != nil {
		return "", errors.Join(errors.New("go env GOARCH"), err)
	}
	out := filepath.Join(workDir, "pool-coordinator")
	return out, image.Compile(ctx, checkout, "./cmd/pool-coordinator", out, string(arch[:len(arch)-1]), version)
}

// atEnd has something stopped when all benchmarks have run.
func atEnd(stop func()) {
	stopsMu.Lock()
	defer stopsMu.Unlock()
	stops = append(stops, stop)
}
