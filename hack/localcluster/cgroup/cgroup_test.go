// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
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

// joinEnv makes the test binary a program that joins a group and stays in it.
const joinEnv = "STEPPE_TEST_CGROUP_JOIN"

func TestMain(m *testing.M) {
	if path := os.Getenv(joinEnv); path != "" {
		if err := Join(path); err != nil {
			panic(err)
		}
		fmt.Println("joined")
		select {}
	}
	os.Exit(m.Run())
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
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), joinEnv+"="+path+"/edge/machine")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("child did not join: %v", err)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(groups), path+"/edge/machine") {
		t.Errorf("child is in %s", groups)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if Exists(path) {
		t.Error("still there after Remove")
	}
}
