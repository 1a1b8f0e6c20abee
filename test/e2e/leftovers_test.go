// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/steppe-io/steppe/hack/localcluster"
)

// limits are the settings of the host that clusters raise together.
var limits = []string{"/proc/sys/fs/inotify/max_user_instances", "/proc/sys/fs/inotify/max_user_watches"}

// host is what clusters share, as it was before ours.
type host struct {
	// empty tells that there was no cluster, so that the limits were the
	// host's own.
	empty  bool
	limits map[string]string
}

func lookAtHost() host {
	h := host{empty: !exists("/var/lib/steppe-local"), limits: map[string]string{}}
	for _, path := range limits {
		content, _ := os.ReadFile(path)
		h.limits[path] = strings.TrimSpace(string(content))
	}
	return h
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// checkWithout checks that nothing is left of a cluster that was taken down.
func (before host) checkWithout(gone *localcluster.Cluster) error {
	var left []string
	// The kernel and the commands that tests had running end in the background.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(interval) {
		left = leftovers(gone)
		if after := lookAtHost(); before.empty && after.empty {
			for _, path := range limits {
				if after.limits[path] != before.limits[path] {
					left = append(left, fmt.Sprintf("%s is %s, and was %s", path, after.limits[path], before.limits[path]))
				}
			}
		}
		if len(left) == 0 {
			return nil
		}
	}
	return fmt.Errorf("the cluster was taken down, and yet there are:\n  %s", strings.Join(left, "\n  "))
}

// leftovers lists what names a cluster, or has its addresses.
func leftovers(gone *localcluster.Cluster) []string {
	left := links(gone)
	for _, pattern := range []string{
		gone.Dir(),
		"/run/netns/steppe-" + gone.Name() + "-*",
		"/sys/fs/cgroup/steppe-" + gone.Name(),   // version 2
		"/sys/fs/cgroup/*/steppe-" + gone.Name(), // version 1
	} {
		found, _ := filepath.Glob(pattern) // fails for bad patterns only
		left = append(left, found...)
	}
	return append(left, processesAndMounts(gone.Dir())...)
}

// links returns the host's devices that have an address in the cluster's
// network.
func links(gone *localcluster.Cluster) []string {
	network, err := netip.MustParseAddr(gone.Cloud().IP()).Prefix(24)
	if err != nil {
		return []string{err.Error()}
	}
	devices, err := net.Interfaces()
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, device := range devices {
		addresses, _ := device.Addrs() // of one that vanishes there are none
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && network.Contains(p.Addr()) {
				left = append(left, "network device "+device.Name+" with "+a.String())
			}
		}
	}
	return left
}

// processesAndMounts returns the processes that run or name a file in the
// folder, and those that see a mount of it.
func processesAndMounts(dir string) []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// What cannot be read has ended.
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		program, _ := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		words := strings.ReplaceAll(string(line), "\x00", " ")
		if strings.Contains(words, dir+"/") || strings.HasPrefix(program, dir+"/") {
			left = append(left, fmt.Sprintf("process %d: %s", pid, words))
		}
		mounts, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "mountinfo"))
		for mount := range strings.Lines(string(mounts)) {
			if strings.Contains(mount, dir+"/") {
				left = append(left, fmt.Sprintf("process %d (%s) sees the mount %s", pid, words, strings.TrimSpace(mount)))
				break // one says enough
			}
		}
	}
	return left
}
