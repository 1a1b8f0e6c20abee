// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/klog/v2"
)

const (
	// ContainerdSocket is where a machine's containerd listens.
	ContainerdSocket = "/run/containerd/containerd.sock"
	// imported holds a file per image with the digest that containerd has.
	imported = "/var/lib/steppe-images"
)

// importer brings images into the machine's containerd.
type importer struct {
	specPath, ctr string
	reaper        *reaper
	mu            sync.Mutex // one import at a time
}

// importNew imports the images of the spec whose digest is not there yet. The
// spec is read again each time: the launching program may have changed it.
func (i *importer) importNew() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	spec, err := ReadSpec(i.specPath)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(imported, 0o755); err != nil {
		return err
	}
	for _, img := range spec.Images {
		marker := filepath.Join(imported, url.PathEscape(img.Ref))
		if have, err := os.ReadFile(marker); err == nil && string(have) == img.Digest {
			continue
		}
		if err := i.reaper.runOnce(i.ctr, "--address", ContainerdSocket, "--namespace", "k8s.io", "images", "import", img.Archive); err != nil {
			return fmt.Errorf("import the image %s: %w", img.Ref, err)
		}
		if err := os.WriteFile(marker, []byte(img.Digest), 0o644); err != nil {
			return err
		}
		klog.Background().Info("Image imported", "image", img.Ref, "digest", img.Digest)
	}
	return nil
}
