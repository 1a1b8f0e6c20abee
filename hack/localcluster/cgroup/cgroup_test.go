// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestParseMounts(t *testing.T) {
	tests := []struct {
		name, mounts string
		want         []string
		unified      bool
	}{
		{"v2", "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", []string{"/sys/fs/cgroup"}, true},
		{"hybrid, seen twice", strings.Repeat("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", 2),
			[]string{"/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/unified"}, false},
		{"elsewhere", "cgroup2 /mnt/cgroup cgroup2 rw 0 0\n", nil, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			found, err := parseMounts(strings.NewReader(tc.mounts))
			if err != nil {
				t.Fatal(err)
			}
			var mounts []string
			for _, h := range found {
				mounts = append(mounts, h.mount)
			}
			if strings.Join(mounts, " ") != strings.Join(tc.want, " ") {
				t.Errorf("found %v, want %v", mounts, tc.want)
			}
			if onlyUnified(found) != tc.unified {
				t.Errorf("onlyUnified = %t", !tc.unified)
			}
		})
	}
}

// In the environment, joinEnv makes the test binary a program that joins the
// group and stays in it, in every hierarchy or in the one unified that joinIn
// mounts.
const (
	joinEnv = "STEPPE_TEST_CGROUP_JOIN"
	joinIn  = "STEPPE_TEST_CGROUP_JOIN_IN"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(joinEnv); path != "" {
		join := Join
		if mount := os.Getenv(joinIn); mount != "" {
			join = hierarchy{mount: mount, unified: true}.join
		}
		if err := join(path); err != nil {
			panic(err)
		}
		fmt.Println("joined")
		select {}
	}
	os.Exit(m.Run())
}

// joined starts a process that joins the group, and returns its groups and how
// to end it.
func joined(t *testing.T, path, mount string) (groups string, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), joinEnv+"="+path, joinIn+"="+mount)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Cleanup(end)
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("child did not join: %v", err)
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(content), end
}

func TestCreateJoinRemove(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making control groups needs root")
	}
	path := fmt.Sprintf("/steppe-test-%d", os.Getpid())
	t.Cleanup(func() {
		if err := Remove(path); err != nil {
			t.Error(err)
		}
	})
	for range 2 { // the second does nothing
		if err := Create(path + "/edge/machine"); err != nil {
			t.Fatal(err)
		}
	}
	groups, end := joined(t, path+"/edge/machine", "")
	if !strings.Contains(groups, path+"/edge/machine") {
		t.Errorf("child is in %s", groups)
	}
	end()
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if Exists(path) {
		t.Error("still there after Remove")
	}
}

// On a host with version 2 alone, the machine's processes and groups with
// limits must find room side by side. A hybrid host has such a tree, too.
func TestProcessesBesideLimitsInVersion2(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making control groups needs root")
	}
	h := unifiedWithControllers(t)
	path := fmt.Sprintf("/steppe-test-v2-%d", os.Getpid())
	before := subtreeControl(t, h.mount)
	t.Cleanup(func() {
		if err := removeTree(filepath.Join(h.mount, path), time.Now().Add(removeTimeout)); err != nil {
			t.Error(err)
		}
		for _, controller := range subtreeControl(t, h.mount) {
			if !slices.Contains(before, controller) {
				_ = os.WriteFile(filepath.Join(h.mount, "cgroup.subtree_control"), []byte("-"+controller), 0o644)
			}
		}
	})
	for range 2 {
		if err := h.create(path + "/edge/machine"); err != nil {
			t.Fatal(err)
		}
	}
	groups, end := joined(t, path+"/edge/machine", h.mount)
	defer end()
	if !strings.Contains(groups, "0::"+path+"/edge/machine\n") {
		t.Errorf("child is in %s", groups)
	}
	// A boot while processes run, and what the kubelet makes for pods.
	for _, name := range []string{"/edge/machine", "/edge/kubepods/pod-1"} {
		if err := h.create(path + name); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(filepath.Join(h.mount, path, "edge/kubepods/pod-1/cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	if len(strings.Fields(string(content))) == 0 {
		t.Error("pods have no controllers")
	}
}

// unifiedWithControllers returns a tree in which the rules of version 2 can be
// seen: they need a controller.
func unifiedWithControllers(t *testing.T) hierarchy {
	t.Helper()
	all, err := hierarchies()
	if err != nil {
		t.Skip(err)
	}
	for _, h := range all {
		content, _ := os.ReadFile(filepath.Join(h.mount, "cgroup.controllers"))
		if h.unified && len(strings.Fields(string(content))) > 0 {
			return h
		}
	}
	t.Skip("this host has no tree of version 2 with controllers")
	return hierarchy{}
}

func subtreeControl(t *testing.T, dir string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(content))
}
