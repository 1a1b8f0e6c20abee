// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// Spec describes a box. It is written as JSON by the launching program and read
// by the init at each boot.
type Spec struct {
	Hostname string `json:"hostname"`
	// Disk is the folder that holds what the machine writes.
	Disk string `json:"disk"`
	// Shared is a folder of the host that is visible in the box at the same
	// path, although it lies below one that the box covers.
	Shared string `json:"shared"`
	// Logs is the folder of the processes' logs.
	Logs string `json:"logs"`
	// Control is the path of the control socket.
	Control string `json:"control"`
	// Cgroup is the control group, as below /sys/fs/cgroup, that the machine's
	// own processes join. It must exist.
	Cgroup string `json:"cgroup"`
	// Path is the search path of all processes.
	Path string `json:"path"`
	// Files are laid down at boot, unless the machine changed them.
	Files []File `json:"files,omitempty"`
	// Images are imported into containerd before the processes that need them
	// start.
	Images []Image `json:"images,omitempty"`
	// Processes are kept running.
	Processes []supervise.Process `json:"processes"`
	// Added are kept running, too. Unlike Processes they may change while the
	// machine is on, see SyncProcesses.
	Added []supervise.Process `json:"added,omitempty"`
}

// File is a file of the machine's own.
type File struct {
	Path    string      `json:"path"`
	Content string      `json:"content"`
	Mode    os.FileMode `json:"mode,omitempty"` // 0644 if zero
}

// Image is a container image in an archive.
type Image struct {
	Ref     string `json:"ref"`
	Archive string `json:"archive"`
	Digest  string `json:"digest"`
}

// ReadSpec reads the spec in a file.
func ReadSpec(path string) (Spec, error) {
	var spec Spec
	content, err := os.ReadFile(path)
	if err != nil {
		return spec, err
	}
	if err := json.Unmarshal(content, &spec); err != nil {
		return spec, fmt.Errorf("read the spec of a box in %s: %w", path, err)
	}
	return spec, nil
}

// Write writes the spec to a file, by rename.
func (s Spec) Write(path string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
