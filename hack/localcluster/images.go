// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"path"
	"path/filepath"
	"runtime"

	"github.com/steppe-io/steppe/hack/image"
	"github.com/steppe-io/steppe/hack/localcluster/box"
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
func products() []source {
	var sources []source
	for _, p := range image.Products {
		if p.Site {
			continue
		}
		ref := image.DevRegistry + "/" + p.Name + ":" + image.DevVersion
		sources = append(sources, source{ref: ref, pkg: p.Package, program: "/" + p.Name})
	}
	return sources
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
		if err := compile(ctx, checkout, s.pkg, program); err != nil {
			return nil, err
		}
		archive := program + ".tar"
		digest, err := image.Build(archive, s.ref, runtime.GOARCH, map[string]string{s.program: program}, s.program)
		if err != nil {
			return nil, err
		}
		all = append(all, builtImage{box.Image{Ref: s.ref, Archive: archive, Digest: digest}, s.edge})
	}
	return all, nil
}

// compile builds what runs in this cluster only.
func compile(ctx context.Context, checkout, pkg, out string) error {
	return image.Compile(ctx, checkout, pkg, out, runtime.GOARCH, "v0.0.0-"+image.DevVersion)
}
