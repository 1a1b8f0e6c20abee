// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image makes container images of static executables without a
// registry, a daemon or a base image: an OCI layout in a tar archive, which
// `ctr images import` takes. The same input gives the same bytes.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	mediaTypeIndex    = "application/vnd.oci.image.index.v1+json"
	mediaTypeManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeConfig   = "application/vnd.oci.image.config.v1+json"
	mediaTypeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type config struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Config       runtimeConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
}

type runtimeConfig struct {
	Entrypoint []string
	Env        []string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// Build writes the image named ref (like steppe.local/x:dev) to the archive
// out and returns its digest. arch is the machine type as Go calls it. The files
// map a path inside the image to a file
// on this machine; what is executable here is so there. /tmp exists.
func Build(out, ref, arch string, files map[string]string, entrypoint ...string) (digest string, err error) {
	layer, err := packLayer(files)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", ref, err)
	}
	blobs := map[string][]byte{}
	add := func(mediaType string, content []byte) descriptor {
		sum := sha256.Sum256(content)
		hexSum := hex.EncodeToString(sum[:])
		blobs["blobs/sha256/"+hexSum] = content
		return descriptor{MediaType: mediaType, Digest: "sha256:" + hexSum, Size: int64(len(content))}
	}
	layerDesc := add(mediaTypeLayer, layer)
	configDesc := add(mediaTypeConfig, mustJSON(config{
		Architecture: arch, OS: "linux",
		Config: runtimeConfig{Entrypoint: entrypoint, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/"}},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{layerDesc.Digest}},
	}))
	manifestDesc := add(mediaTypeManifest, mustJSON(manifest{2, mediaTypeManifest, configDesc, []descriptor{layerDesc}}))
	digest = manifestDesc.Digest
	manifestDesc.Annotations = map[string]string{
		"io.containerd.image.name":          ref,
		"org.opencontainers.image.ref.name": ref[strings.LastIndex(ref, ":")+1:],
	}
	blobs["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	blobs["index.json"] = mustJSON(index{2, mediaTypeIndex, []descriptor{manifestDesc}})
	if err := writeArchive(out, blobs); err != nil {
		return "", fmt.Errorf("image %s: %w", ref, err)
	}
	return digest, nil
}

// mustJSON encodes types that always can be.
func mustJSON(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return content
}

// packLayer makes the tar archive of the image's file system.
func packLayer(files map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, dir := range directories(files) {
		mode := int64(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := packFile(w, strings.TrimPrefix(name, "/"), files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// directories returns the parents of all files, parents first, and tmp.
func directories(files map[string]string) []string {
	set := map[string]bool{"tmp": true}
	for name := range files {
		for dir := path.Dir(strings.TrimPrefix(name, "/")); dir != "."; dir = path.Dir(dir) {
			set[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func packFile(w *tar.Writer, name, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	// No owner and no times: they would change the digest.
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: int64(mode), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// writeArchive writes by rename.
func writeArchive(out string, blobs map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	temp := out + ".new"
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	defer f.Close()
	w := tar.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(blobs[name])), Mode: 0o644}); err != nil {
			return err
		}
		if _, err := w.Write(blobs[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(temp, out)
}
