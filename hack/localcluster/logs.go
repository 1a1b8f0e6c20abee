// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-io/steppe/hack/image"
)

// podLogs is where kubelets keep the logs of containers.
const podLogs = "var/log/pods"

// SaveLogs copies the logs of all machines, their processes and their pods to
// a folder, one subfolder for each machine. They are files, so this works in
// whatever state the cluster is, but not after Down.
func (c *Cluster) SaveLogs(dir string) error {
	machines, err := filepath.Glob(filepath.Join(c.machinesDir(), "*"))
	if err != nil {
		return err
	}
	for _, machine := range machines {
		for from, to := range map[string]string{"log": "", filepath.Join("disk", podLogs): "pods"} {
			if err := copyFiles(filepath.Join(machine, from), filepath.Join(dir, filepath.Base(machine), to)); err != nil {
				return fmt.Errorf("save the logs of the cluster %s: %w", c.Name(), err)
			}
		}
	}
	return nil
}

// copyFiles copies the files below a folder that may be missing. What vanishes
// meanwhile, as rotated logs do, is left out.
func copyFiles(source, target string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		to := filepath.Join(target, strings.TrimPrefix(path, source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyFile(path, to, info); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// TailSteppe prints the last lines of what each of Steppe's programs said in
// its last lives, out of a folder that SaveLogs filled.
func TailSteppe(out io.Writer, dir string) error {
	for _, product := range image.Products {
		if product.Site {
			continue
		}
		// By namespace, pod and uid; then by container and its lives.
		logs, err := filepath.Glob(filepath.Join(dir, "*", "pods", "kube-system_"+product.Name+"-*", "*", "*.log"))
		if err != nil {
			return err
		}
		if len(logs) == 0 {
			fmt.Fprintf(out, "==> %s left no log\n", product.Name)
		}
		for _, log := range newest(logs, 2) {
			content, err := os.ReadFile(log)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "==> %s\n%s\n", log, lastLines(string(content), 40))
		}
	}
	return nil
}

// newest returns up to n files that were written to last, the newest last.
func newest(files []string, n int) []string {
	slices.SortFunc(files, func(a, b string) int {
		infoA, errA := os.Stat(a)
		infoB, errB := os.Stat(b)
		if errA != nil || errB != nil {
			return strings.Compare(a, b)
		}
		return infoA.ModTime().Compare(infoB.ModTime())
	})
	return files[max(0, len(files)-n):]
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
