// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// DevRegistry and DevVersion are what Steppe's manifests name, and what the
// local cluster runs.
const (
	DevRegistry = "steppe.local"
	DevVersion  = "dev"
)

// Product is a program of Steppe that runs as a container.
type Product struct {
	// Name is that of the image and of the program, which lies in the image's
	// root.
	Name string
	// Package is the program's source, relative to the checkout.
	Package string
	// Site tells that it runs at the sites of pools, and no manifest for the
	// cluster names it.
	Site bool
}

// Products are all of them.
var Products = []Product{
	{Name: "yurt-apiserver", Package: "./cmd/yurt-apiserver"},
	{Name: "yurt-manager", Package: "./cmd/yurt-manager"},
	{Name: "pool-coordinator", Package: "./cmd/pool-coordinator", Site: true},
}

// Compile compiles a package of the checkout into a static executable for Linux
// that reports a version. An executable that is running may be replaced. The
// same code gives the same bytes, whatever git says of the checkout.
func Compile(ctx context.Context, checkout, pkg, out, arch, version string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	flags := "-s -w -X k8s.io/component-base/version.gitVersion=" + version
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", out+".new", pkg)
	cmd.Dir = checkout
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	// It must not go on when this process is killed; the signal comes when this
	// thread ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, strings.TrimSpace(string(output)))
	}
	return os.Rename(out+".new", out)
}
