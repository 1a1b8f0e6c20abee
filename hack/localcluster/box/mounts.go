// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// layered are the host's folders that the machine sees with its own changes
// on top.
var layered = []string{"/etc", "/opt", "/usr/local"}

// expectedByKubelet are the settings that the kubelet would write, with the
// values it wants (k8s.io/kubernetes/pkg/util/sysctl). They are global to the
// host.
var expectedByKubelet = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// setUpMounts turns the new mount namespace into the machine's.
func setUpMounts(spec Spec) error {
	// Nothing may reach the host, not even where the host shares its mounts.
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, dir := range layered {
		if err := mountLayer(spec.Disk, dir); err != nil {
			return err
		}
	}
	err := errors.Join(
		mountVar(spec),
		mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"),
		mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"),
		mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""),
		mountSys(),
		coverSettings(),
	)
	if err != nil {
		return err
	}
	// Containers must see what the kubelet mounts.
	return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// mount is mount(2) with an error that says what was mounted.
func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s %s on %s (%s): %w", kind, source, target, data, err)
	}
	return nil
}

// mountLayer puts a writable layer from the disk over a folder of the host.
func mountLayer(disk, dir string) error {
	name := strings.ReplaceAll(strings.Trim(dir, "/"), "/", "-")
	upper, work := filepath.Join(disk, "layers", name), filepath.Join(disk, "layers", "."+name)
	if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	return mount("overlay", dir, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", dir, upper, work))
}

// mountVar replaces /var by the machine's, in which only the shared folder of
// the host's is visible.
func mountVar(spec Spec) error {
	dir := filepath.Join(spec.Disk, "var")
	for _, sub := range []string{"lib", "log", "cache", "tmp", "spool"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"run": "/run", "lock": "/run/lock"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if below, ok := strings.CutPrefix(spec.Shared, "/var/"); ok {
		target := filepath.Join(dir, below)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := mount(spec.Shared, target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return mount(dir, "/var", "", unix.MS_BIND|unix.MS_REC, "")
}

// mountSys mounts a fresh /sys, which shows the box's network devices, and
// the host's control groups in it.
func mountSys() error {
	const temp = "/run/sys"
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return err
	}
	if err := mount("/sys/fs/cgroup", temp, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mount(temp, "/sys/fs/cgroup", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Unmount(temp, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", temp, err)
	}
	return os.Remove(temp)
}

// coverSettings puts private files over the global settings that the kubelet
// would change, and over the boot id, which must differ between boots for the
// cluster to notice a restart.
func coverSettings() error {
	files := map[string]string{"kernel/random/boot_id": newUUID()}
	for name, value := range expectedByKubelet {
		files[name] = value
	}
	for name, value := range files {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
			continue // not in every kernel
		}
		source := filepath.Join("/run/settings", name)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(source, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
