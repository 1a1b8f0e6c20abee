// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func readTar(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(content))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func build(t *testing.T, out, program string) string {
	t.Helper()
	digest, err := Build(out, "steppe.local/test:dev", runtime.GOARCH, map[string]string{"/usr/local/bin/test": program, "/etc/x": program}, "/usr/local/bin/test", "serve")
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestDigestsHoldThroughTheLayout(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "a.tar")
	digest := build(t, out, program)
	archive, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	files := readTar(t, archive)
	blob := func(d descriptor) []byte {
		t.Helper()
		content := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		sum := sha256.Sum256(content)
		if "sha256:"+hex.EncodeToString(sum[:]) != d.Digest || int64(len(content)) != d.Size {
			t.Errorf("%s: content has %d bytes and digest %x", d.MediaType, len(content), sum)
		}
		return content
	}
	var idx index
	decode(t, files["index.json"], &idx)
	if idx.Manifests[0].Digest != digest || idx.Manifests[0].Annotations["io.containerd.image.name"] != "steppe.local/test:dev" {
		t.Errorf("index names %+v", idx.Manifests[0])
	}
	var m manifest
	decode(t, blob(idx.Manifests[0]), &m)
	var c config
	decode(t, blob(m.Config), &c)
	if len(c.RootFS.DiffIDs) != 1 || c.RootFS.DiffIDs[0] != m.Layers[0].Digest {
		t.Errorf("config has the layers %v, manifest %v", c.RootFS.DiffIDs, m.Layers)
	}
	layer := readTar(t, blob(m.Layers[0]))
	for _, want := range []string{"usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/test", "tmp/", "etc/x"} {
		if _, ok := layer[want]; !ok {
			t.Errorf("layer has no %s", want)
		}
	}
}

func decode(t *testing.T, content []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

func TestDigestFollowsContentAlone(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	write := func(content string, mode fs.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(program, []byte(content), mode), os.Chmod(program, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("one", 0o755)
	first := build(t, filepath.Join(dir, "a.tar"), program)
	if err := os.Chtimes(program, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if again := build(t, filepath.Join(dir, "b.tar"), program); again != first {
		t.Error("the digest depends on times")
	}
	write("two", 0o755)
	second := build(t, filepath.Join(dir, "a.tar"), program)
	write("two", 0o644)
	third := build(t, filepath.Join(dir, "a.tar"), program)
	if first == second || second == third {
		t.Error("the digest does not depend on content and mode")
	}
}
