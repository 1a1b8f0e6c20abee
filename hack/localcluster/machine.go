// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/cgroup"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

const (
	// bootTimeout bounds the time from launch to the init's answering; it
	// only mounts and clears the firewall before.
	bootTimeout = 30 * time.Second
	// deathTimeout bounds the wait for the kernel to end a box's processes.
	deathTimeout = 30 * time.Second
	// processTimeout bounds the wait for a process to come back.
	processTimeout = time.Minute
	pollInterval   = 50 * time.Millisecond
)

// Machine is one machine of a cluster: the cloud's or an edge node's.
type Machine struct {
	// Name is that of the node, too.
	Name    string
	cluster *Cluster
	number  int
}

// IP returns the machine's address on the cluster's network.
func (m *Machine) IP() string { return m.cluster.machineIP(m.number) }

// PodCIDR returns the range of the addresses of the machine's pods.
func (m *Machine) PodCIDR() string { return machinePodCIDR(m.number) }

// IsCloud tells whether the machine runs the control plane.
func (m *Machine) IsCloud() bool { return m.number == 0 }

// Log returns the path of a process's log; with an empty name, of the init's.
func (m *Machine) Log(process string) string {
	if process == "" {
		process = "init"
	}
	return filepath.Join(m.logDir(), process+".log")
}

func (m *Machine) namespace() string { return m.cluster.machineNamespace(m.Name) }

func (m *Machine) dir() string     { return filepath.Join(m.cluster.machinesDir(), m.Name) }
func (m *Machine) logDir() string  { return filepath.Join(m.dir(), "log") }
func (m *Machine) control() string { return filepath.Join(m.dir(), "control.sock") }

func (m *Machine) specPath() string { return filepath.Join(m.dir(), "spec.json") }

func (m *Machine) cgroupPath() string { return m.cluster.machineCgroup(m.Name) }

// PowerOn boots the machine from its disk. It returns when the machine's init
// has taken over; the node is Ready some seconds later. Powering on a running
// machine does nothing. A cut link stays cut.
func (m *Machine) PowerOn(ctx context.Context) error {
	if m.Running() {
		return nil
	}
	if err := m.boot(ctx); err != nil {
		return fmt.Errorf("power on %s: %w", m.Name, err)
	}
	return nil
}

func (m *Machine) boot(ctx context.Context) error {
	// Groups left from the last boot make the kubelet wait for pods that are
	// gone: half a minute instead of seconds until the node is Ready.
	if err := cgroup.Remove(m.cgroupPath()); err != nil {
		return err
	}
	own := m.cgroupPath() + "/machine"
	if err := cgroup.Create(own); err != nil {
		return err
	}
	if err := m.cluster.ensureMachineNetwork(ctx, m); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(m.logDir(), 0o755), os.MkdirAll(filepath.Join(m.dir(), "disk"), 0o755)); err != nil {
		return err
	}
	_ = os.Remove(m.control()) // of the last boot
	pid, err := box.Launch(filepath.Join(m.cluster.BinDir(), boxInit), m.specPath(), m.namespace(), m.Log(""))
	if err != nil {
		return err
	}
	if err := m.recordPID(pid); err != nil {
		return err
	}
	return m.waitBooted(ctx)
}

func (m *Machine) waitBooted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, pollInterval, true, func(context.Context) (bool, error) {
		if _, err := box.Status(m.control()); err == nil {
			return true, nil
		}
		if !m.Running() {
			said, _ := os.ReadFile(m.Log(""))
			return false, fmt.Errorf("the init ended: %s", bytes.TrimSpace(said))
		}
		return false, nil
	})
}

// PowerOff pulls the plug: all that runs on the machine is gone at once, its
// disk stays as it is at that moment. It returns when nothing runs any more.
func (m *Machine) PowerOff(ctx context.Context) error {
	pid, ok := m.pid()
	if !ok {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("power off %s: %w", m.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	// The init is reported dead only when all others in its PID namespace are.
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(context.Context) (bool, error) { return !m.Running(), nil })
	if err != nil {
		return fmt.Errorf("power off %s: wait for its processes to end: %w", m.Name, err)
	}
	return os.Remove(m.pidPath())
}

// Running tells whether the machine is on.
func (m *Machine) Running() bool {
	_, ok := m.pid()
	return ok
}

// Processes returns the state of the machine's processes.
func (m *Machine) Processes() ([]supervise.Status, error) { return box.Status(m.control()) }

// RestartProcess ends a process of the machine (kubelet, containerd,
// kube-proxy; in the cloud also etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler) in the orderly way and waits until it runs again.
func (m *Machine) RestartProcess(ctx context.Context, name string) error {
	return m.doAndAwait(ctx, supervise.Restart, name, supervise.Running)
}

// KillProcess ends a process with SIGKILL and waits until it runs again.
func (m *Machine) KillProcess(ctx context.Context, name string) error {
	return m.doAndAwait(ctx, supervise.Kill, name, supervise.Running)
}

// StopProcess ends a process and leaves it stopped until StartProcess or the
// machine's next boot.
func (m *Machine) StopProcess(ctx context.Context, name string) error {
	return m.doAndAwait(ctx, supervise.Stop, name, supervise.Held)
}

// StartProcess starts a process that StopProcess stopped.
func (m *Machine) StartProcess(ctx context.Context, name string) error {
	return m.doAndAwait(ctx, supervise.Start, name, supervise.Running)
}

// doAndAwait sends a request and waits for its result.
func (m *Machine) doAndAwait(ctx context.Context, op supervise.Request, name string, want supervise.State) error {
	before, err := m.process(name)
	if err != nil {
		return err
	}
	if err := box.Do(m.control(), op, name); err != nil {
		return fmt.Errorf("%s %s on %s: %w", op, name, m.Name, err)
	}
	ended := 0
	if op == supervise.Restart || op == supervise.Kill {
		ended = before.PID
	}
	if err := m.awaitProcess(ctx, name, want, ended); err != nil {
		return fmt.Errorf("%s %s on %s: %w", op, name, m.Name, err)
	}
	return nil
}

// awaitProcess waits until a process is in that state, with another process id than
// the one that ended.
func (m *Machine) awaitProcess(ctx context.Context, name string, want supervise.State, ended int) error {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(context.Context) (bool, error) {
		now, err := m.process(name)
		if err != nil {
			return false, err
		}
		return now.State == want && (ended == 0 || now.PID != ended), nil
	})
	if err != nil {
		return fmt.Errorf("wait until it is %s (see %s): %w", want, m.Log(name), err)
	}
	return nil
}

func (m *Machine) process(name string) (supervise.Status, error) {
	all, err := m.Processes()
	if err != nil {
		return supervise.Status{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	var names []string
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return supervise.Status{}, fmt.Errorf("machine %s runs no %q, only %s", m.Name, name, strings.Join(names, ", "))
}

// Command returns a command that runs argv in the machine, as root, with the
// cluster's programs in the path. The caller sets its input and output. When
// the context ends the command is given up; what it runs on the machine may go
// on.
func (m *Machine) Command(ctx context.Context, argv ...string) (*exec.Cmd, error) {
	pid, ok := m.pid()
	if !ok {
		return nil, fmt.Errorf("machine %s is off", m.Name)
	}
	if len(argv) == 0 {
		argv = []string{"bash"}
	}
	return box.Enter(ctx, pid, m.cluster.Env(), m.cluster.path(), argv...), nil
}

// Exec runs argv in the machine and returns what it printed.
func (m *Machine) Exec(ctx context.Context, argv ...string) (string, error) {
	cmd, err := m.Command(ctx, argv...)
	if err != nil {
		return "", err
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("%s on %s: %w: %s", strings.Join(argv, " "), m.Name, err, bytes.TrimSpace(output))
	}
	return string(output), nil
}

// initProcess identifies the init on the host. Its start time tells it from a
// later process with the same id.
type initProcess struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // in clock ticks since the host's boot
}

func (m *Machine) pidPath() string { return filepath.Join(m.dir(), "init.json") }

func (m *Machine) recordPID(pid int) error {
	start, _ := processStart(pid)
	content, err := json.Marshal(initProcess{PID: pid, Start: start})
	if err != nil {
		return err
	}
	return os.WriteFile(m.pidPath(), content, 0o600)
}

// bootTime returns when the machine was last powered on, in whole seconds as
// the API has them.
func (m *Machine) bootTime() time.Time {
	info, err := os.Stat(m.pidPath())
	if err != nil {
		return time.Time{} // off
	}
	return info.ModTime().Truncate(time.Second)
}

// pid returns the init's process id if it is alive.
func (m *Machine) pid() (int, bool) {
	var p initProcess
	content, err := os.ReadFile(m.pidPath())
	if err != nil || json.Unmarshal(content, &p) != nil {
		return 0, false
	}
	start, alive := processStart(p.PID)
	return p.PID, alive && start == p.Start
}

// processStart returns when a process began, in clock ticks since boot, and
// whether it is alive: a zombie is not.
func processStart(pid int) (start string, alive bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The name in parentheses may hold anything, so count from its end.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], fields[0] != "Z" && fields[0] != "X"
}
