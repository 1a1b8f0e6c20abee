// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/hack/localcluster/cgroup"
)

// Down removes the cluster of that name and all it left on the host. It works
// by names, not by the record, so it also removes what is half made; that
// there is nothing to remove is no error.
func Down(ctx context.Context, name string, out io.Writer) error {
	if err := errors.Join(validateName(name), requireRoot()); err != nil {
		return err
	}
	unlock, err := lockCluster(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	p := newProgress(out)
	steps := []struct {
		name string
		do   func() error
	}{
		{"processes", func() error { return killInits(ctx, name) }},
		{"control groups", func() error { return cgroup.Remove(state{Name: name}.cgroup()) }},
		{"network", func() error { return deleteNamespaces(ctx, name) }},
		{"disks and records", func() error { return os.RemoveAll(clusterDir(name)) }},
		{"host's settings", func() error { return restoreHost(ctx) }},
	}
	for _, s := range steps {
		if err := p.step(s.name+" removed", s.do); err != nil {
			return fmt.Errorf("take down the cluster %s: %w", name, err)
		}
	}
	return nil
}

// killInits pulls the plugs of all the cluster's machines and waits until
// they are off.
func killInits(ctx context.Context, name string) error {
	pids, err := initsOf(name)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, pollInterval, true, func(context.Context) (bool, error) {
		left, err := initsOf(name)
		return len(left) == 0, err
	})
}

// initsOf finds the init processes by their command line: box-init with a spec
// in the cluster's folder.
func initsOf(name string) ([]int, error) {
	prefix := filepath.Join(clusterDir(name), "machines") + "/"
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		argv := strings.Split(string(line), "\x00")
		if len(argv) < 2 || filepath.Base(argv[0]) != boxInit || !strings.HasPrefix(argv[1], prefix) {
			continue
		}
		if _, alive := processStart(pid); alive {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// deleteNamespaces removes the network namespaces, and with them all devices:
// the host's is one end of a pair whose other end is in the switch's.
func deleteNamespaces(ctx context.Context, name string) error {
	found, err := filepath.Glob(filepath.Join(netnsDir, "steppe-"+name+"-*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		if err := deleteNamespace(ctx, filepath.Base(path)); err != nil {
			return err
		}
	}
	s, err := readState(name)
	if err != nil {
		return nil //nolint:nilerr // nothing was recorded, or the folder is gone already
	}
	return waitDeviceGone(ctx, s.hostDevice())
}

// waitDeviceGone waits for the kernel, which removes a namespace's devices in
// the background.
func waitDeviceGone(ctx context.Context, dev string) error {
	ctx, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) {
		_, err := os.Stat("/sys/class/net/" + dev)
		return errors.Is(err, os.ErrNotExist), nil
	})
}

// restoreHost restores the host's settings, and removes the last folder, when
// the last cluster is gone.
func restoreHost(ctx context.Context) error {
	unlock, err := lockHost(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := clusterNames()
	if err != nil || len(names) > 0 {
		return err
	}
	if err := restoreLimits(); err != nil {
		return err
	}
	// With the lock files: whoever waits for one makes it again.
	return os.RemoveAll(stateRoot)
}

// remove takes a machine and its node out of a cluster that goes on. The folder
// goes last: as long as it is there, the next Up finds the machine and goes on.
func (m *Machine) remove(ctx context.Context, client kubernetes.Interface) error {
	if err := m.PowerOff(ctx); err != nil {
		return err
	}
	err := client.CoreV1().Nodes().Delete(ctx, m.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err := cgroup.Remove(m.cgroupPath()); err != nil {
		return err
	}
	if err := deleteNamespace(ctx, m.namespace()); err != nil {
		return err
	}
	return os.RemoveAll(m.dir())
}
