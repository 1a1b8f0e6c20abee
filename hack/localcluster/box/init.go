// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/hack/localcluster/cgroup"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// Main is the init of a box: PID 1 in its namespaces. It returns when it was
// told to end (SIGTERM) and all processes have.
func Main(specPath string) error {
	if os.Getpid() != 1 {
		return errors.New("this program is the init of a local cluster's machine and must be started as PID 1; use localcluster")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	spec, err := ReadSpec(specPath)
	if err != nil {
		return err
	}
	if err := setUp(spec); err != nil {
		return fmt.Errorf("set up the machine %s: %w", spec.Hostname, err)
	}
	m, err := newMachine(spec, specPath)
	if err != nil {
		return err
	}
	stopReaping := make(chan struct{})
	defer close(stopReaping)
	go m.reaper.run(stopReaping)
	if err := m.clearFirewall(); err != nil {
		return err
	}
	if err := serveControl(spec.Control, m.answer); err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Machine booted", "machine", spec.Hostname, "processes", len(spec.Processes)+len(spec.Added))
	m.supervisor.Run(ctx)
	klog.FromContext(ctx).Info("Machine halted", "machine", spec.Hostname)
	return nil
}

func setUp(spec Spec) error {
	if err := cgroup.Join(spec.Cgroup); err != nil {
		return err
	}
	if err := setUpMounts(spec); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	// The network namespace is new too, and a machine forwards for its pods.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	return layDown(spec.Files, laidDown)
}

// machine is what runs in a box.
type machine struct {
	reaper     *reaper
	importer   *importer
	supervisor *supervise.Supervisor
	added      *additions

	mu   sync.Mutex
	logs map[string]*logFile // guarded by mu
}

func newMachine(spec Spec, specPath string) (*machine, error) {
	if err := os.Setenv("PATH", spec.Path); err != nil {
		return nil, err
	}
	ctr, err := exec.LookPath("ctr")
	if err != nil {
		return nil, err
	}
	m := &machine{
		reaper: newReaper([]string{"PATH=" + spec.Path, "HOME=/root", "LANG=C.UTF-8"}),
		logs:   map[string]*logFile{},
	}
	m.importer = &importer{specPath: specPath, ctr: ctr, reaper: m.reaper}
	m.supervisor = supervise.New(spec.Processes, supervise.Options{Start: m.start(spec.Logs), Gate: m.gate})
	m.added = &additions{specPath: specPath, to: m.supervisor}
	return m, m.added.sync()
}

// clearFirewall drops the rules that kube-proxy left in the network namespace
// at the last boot: the namespace outlives a power-off, a real machine's
// rules do not.
func (m *machine) clearFirewall() error {
	nft, err := exec.LookPath("nft")
	if err != nil {
		return err
	}
	return m.reaper.runOnce(nft, "flush", "ruleset")
}

// start returns the function that starts a process, with its output going to its
// log.
func (m *machine) start(logs string) func(supervise.Process) (supervise.Child, error) {
	return func(p supervise.Process) (supervise.Child, error) {
		log, err := m.log(logs, p.Name)
		if err != nil {
			return nil, err
		}
		output, err := log.pipe()
		if err != nil {
			return nil, err
		}
		defer output.Close()
		return m.reaper.start(p.Argv, output)
	}
}

// log returns a process's log, which is opened once.
func (m *machine) log(dir, name string) (*logFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.logs[name] == nil {
		log, err := openLog(dir, name, maxLog)
		if err != nil {
			return nil, err
		}
		m.logs[name] = log
	}
	return m.logs[name], nil
}

// gate returns when the process may be started.
func (m *machine) gate(ctx context.Context, p supervise.Process) error {
	if p.After != nil {
		if err := waitAccepts(ctx, *p.After); err != nil {
			return err
		}
	}
	if p.NeedsImages {
		return m.importer.importNew()
	}
	return nil
}

// waitAccepts waits until the address accepts connections.
func waitAccepts(ctx context.Context, a supervise.Address) error {
	const interval = 50 * time.Millisecond
	dialer := net.Dialer{Timeout: time.Second}
	for {
		conn, err := dialer.DialContext(ctx, a.Network, a.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}

func (m *machine) answer(req request) reply {
	var err error
	switch req.Op {
	case "status":
		return reply{Processes: m.supervisor.Status()}
	case "import":
		err = m.importer.importNew()
	case "sync":
		err = m.added.sync()
	default:
		err = m.supervisor.Do(supervise.Request(req.Op), req.Process)
	}
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{}
}
