// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/image"
)

// TestImage holds one static program that is the pods' sandbox process and
// what tests run (see testimage/main.go). Every machine has it; its program
// is /testimage.
const TestImage = "steppe.local/testimage:dev"

// boxInit is the name of the machines' init executable.
const boxInit = "box-init"

// source is an image with the package that its one program is built from.
type source struct {
	ref, pkg string
	program  string // path in the image
	edge     bool   // the edge machines need it, too
}

var testSource = source{ref: TestImage, pkg: "./hack/localcluster/testimage", program: "/testimage", edge: true}

// products are the images that Steppe's manifests name.
var products = []source{
	{ref: "steppe.local/yurt-apiserver:dev", pkg: "./cmd/yurt-apiserver", program: "/yurt-apiserver"},
	{ref: "steppe.local/yurt-manager:dev", pkg: "./cmd/yurt-manager", program: "/yurt-manager"},
}

// builtImage is an image ready to be imported.
type builtImage struct {
	box.Image
	edge bool
}

// imagesFor returns those that the machine needs.
func imagesFor(m *Machine, all []builtImage) []box.Image {
	var needed []box.Image
	for _, img := range all {
		if m.IsCloud() || img.edge {
			needed = append(needed, img.Image)
		}
	}
	return needed
}

// buildImages compiles the sources' programs and packs each into an image.
func (c *Cluster) buildImages(ctx context.Context, checkout string, sources ...source) ([]builtImage, error) {
	var all []builtImage
	for _, s := range sources {
		program := filepath.Join(c.Dir(), "images", path.Base(s.program))
		if err := goBuild(ctx, checkout, s.pkg, program); err != nil {
			return nil, err
		}
		archive := program + ".tar"
		digest, err := image.Build(archive, s.ref, map[string]string{s.program: program}, s.program)
		if err != nil {
			return nil, err
		}
		all = append(all, builtImage{box.Image{Ref: s.ref, Archive: archive, Digest: digest}, s.edge})
	}
	return all, nil
}

// goBuild compiles a package of the checkout into a static executable.
func goBuild(ctx context.Context, checkout, pkg, out string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	// Built beside and renamed: the old executable may be running.
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", out+".new", pkg)
	cmd.Dir = checkout
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
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
