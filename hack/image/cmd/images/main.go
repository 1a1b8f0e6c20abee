// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command images builds Steppe's container images, without a container engine:
// one archive in OCI layout for each, which `ctr images import`, `skopeo copy
// oci-archive:…` and `docker load` take.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/steppe-io/steppe/hack/image"
)

// versions is what the API server libraries can parse.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func main() {
	log.SetFlags(0)
	registry := flag.String("registry", image.DevRegistry, "registry and path before the image's name")
	version := flag.String("version", "", "version and tag, such as v0.1.0")
	arch := flag.String("arch", runtime.GOARCH, "machine type, such as amd64 or arm64")
	out := flag.String("out", "bin/images", "folder for the archives")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *registry, *version, *arch, *out); err != nil {
		log.Fatal(err)
	}
}

func build(ctx context.Context, registry, version, arch, out string) error {
	if !versions.MatchString(version) {
		return errors.New("--version must be like v0.1.0 or v0.1.0-rc.1")
	}
	for _, product := range image.Products {
		program := filepath.Join(out, arch, product.Name)
		if err := image.Compile(ctx, ".", product.Package, program, arch, version); err != nil {
			return err
		}
		ref := fmt.Sprintf("%s/%s:%s", registry, product.Name, version)
		archive := program + ".tar"
		digest, err := image.Build(archive, ref, arch, map[string]string{"/" + product.Name: program}, "/"+product.Name)
		if err != nil {
			return err
		}
		fmt.Println(archive, ref, digest)
	}
	return nil
}
