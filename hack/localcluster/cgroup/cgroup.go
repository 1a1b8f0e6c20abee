// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes, joins and removes a control group under the same path
// in every hierarchy of the host: the one unified hierarchy of cgroup v2, or
// the many of v1 with or without a unified one beside them.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const root = "/sys/fs/cgroup"

// removeTimeout bounds the wait for the kernel to let go of a group whose last
// process was just killed.
const removeTimeout = 10 * time.Second

// hierarchy is a mounted tree of control groups.
type hierarchy struct {
	mount   string
	unified bool // version 2
	options string
}

// hierarchies returns the mounted trees below /sys/fs/cgroup.
func hierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := parseMounts(f)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no control groups are mounted below %s", root)
	}
	return found, err
}

// parseMounts reads /proc/self/mounts.
func parseMounts(r io.Reader) ([]hierarchy, error) {
	var found []hierarchy
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 4 || (fields[1] != root && !strings.HasPrefix(fields[1], root+"/")) {
			continue
		}
		if kind := fields[2]; kind == "cgroup" || kind == "cgroup2" {
			h := hierarchy{mount: fields[1], unified: kind == "cgroup2", options: fields[3]}
			// The same mount is listed twice where /sys was mounted over.
			if !slices.ContainsFunc(found, func(o hierarchy) bool { return o.mount == h.mount }) {
				found = append(found, h)
			}
		}
	}
	return found, scanner.Err()
}

// onlyUnified tells whether the host uses version 2 alone. In hybrid mode the
// unified tree has no controllers that matter here.
func onlyUnified(all []hierarchy) bool { return len(all) == 1 && all[0].unified }

func (h hierarchy) has(controller string) bool {
	return slices.Contains(strings.Split(h.options, ","), controller)
}

// Create makes the group path (like /a/b) with all its parents in every
// hierarchy, ready to be joined; the parents are ready to hold groups with
// limits.
func Create(path string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.unified && !onlyUnified(all) {
			continue // hybrid: the container runtime makes what it needs
		}
		if err := h.create(path); err != nil {
			return fmt.Errorf("control group %s%s: %w", h.mount, path, err)
		}
	}
	return nil
}

// create delegates the controllers of all parents, but not of the group itself:
// a version 2 group that gives controllers to children admits no process.
func (h hierarchy) create(path string) error {
	parent := h.mount
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		dir := filepath.Join(parent, name)
		if h.unified {
			if err := delegate(parent); err != nil {
				return err
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if h.has("cpuset") {
			if err := inheritCpuset(parent, dir); err != nil {
				return err
			}
		}
		parent = dir
	}
	return nil
}

// delegate enables for the children of dir all controllers that dir has.
func delegate(dir string) error {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		if errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("enable %s: %s holds processes itself (in a container, start it with the host's cgroup namespace): %w", controller, dir, err)
		}
		// A controller may refuse (cpu with realtime processes, for one)
		// without being missed; the kubelet names those that it does miss.
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("enable %s: %w", controller, err)
		}
	}
	return nil
}

// inheritCpuset fills the settings without which a version 1 cpuset admits no
// process.
func inheritCpuset(parent, dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the calling process into the group path, which must exist.
func Join(path string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.unified && !onlyUnified(all) {
			continue
		}
		if err := h.join(path); err != nil {
			return err
		}
	}
	return nil
}

func (h hierarchy) join(path string) error {
	if err := os.WriteFile(filepath.Join(h.mount, path, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("join the control group: %w", err)
	}
	return nil
}

// Remove removes the group path with everything below it in every hierarchy,
// also where only a container runtime made it. The processes in it must be
// dead or dying. It is not an error if the group does not exist.
func Remove(path string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(removeTimeout)
	for _, h := range all {
		if err := removeTree(filepath.Join(h.mount, path), deadline); err != nil {
			return fmt.Errorf("remove the control group: %w", err)
		}
	}
	return nil
}

// Exists tells whether the group path exists in any hierarchy.
func Exists(path string) bool {
	all, _ := hierarchies()
	return slices.ContainsFunc(all, func(h hierarchy) bool {
		_, err := os.Stat(filepath.Join(h.mount, path))
		return err == nil
	})
}

// removeTree removes directories depth first: the files in them cannot be
// removed and vanish with them.
func removeTree(dir string, deadline time.Time) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name()), deadline); err != nil {
				return err
			}
		}
	}
	for {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", dir, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
