// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// reaper starts processes and waits for all that end, also for the orphans
// that the kernel hands to PID 1. Nothing else in the process may wait for
// children, so package os/exec must not be used beside it.
type reaper struct {
	env []string

	mu       sync.Mutex
	children map[int]*child // started and not yet waited for; guarded by mu
}

// child is a started process.
type child struct {
	reaper *reaper
	pid    int
	exited chan string // has room for the one answer
}

var _ supervise.Child = (*child)(nil)

func newReaper(env []string) *reaper {
	return &reaper{env: env, children: map[int]*child{}}
}

// run waits for children until stop is closed.
func (r *reaper) run(stop <-chan struct{}) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	defer signal.Stop(signals)
	for {
		r.reap()
		select {
		case <-signals: // one signal may stand for many children
		case <-stop:
			return
		}
	}
}

// reap waits for all children that have ended.
func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 {
			return
		}
		if c := r.children[pid]; c != nil {
			delete(r.children, pid)
			c.exited <- describe(status)
		}
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// start starts a process with its output going to output. The lock is held
// from before the fork, so that it cannot be reaped unknown.
func (r *reaper) start(argv []string, output *os.File) (*child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir: "/", Env: r.env,
		Files: []*os.File{null, output, output},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	c := &child{reaper: r, pid: p.Pid, exited: make(chan string, 1)}
	r.children[c.pid] = c
	return c, p.Release()
}

// runOnce runs a short command to its end.
func (r *reaper) runOnce(argv ...string) error {
	output, err := os.CreateTemp("/run", "output-")
	if err != nil {
		return err
	}
	defer os.Remove(output.Name())
	defer output.Close()
	c, err := r.start(argv, output)
	if err != nil {
		return err
	}
	if how := <-c.exited; how != "exit status 0" {
		said, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%s: %s: %s", strings.Join(argv, " "), how, strings.TrimSpace(string(said)))
	}
	return nil
}

// PID returns the process id in the box.
func (c *child) PID() int { return c.pid }

// Exited yields how the process ended.
func (c *child) Exited() <-chan string { return c.exited }

// Signal sends a signal unless the process was waited for: its id may be
// another's by then.
func (c *child) Signal(sig syscall.Signal) error {
	c.reaper.mu.Lock()
	defer c.reaper.mu.Unlock()
	if c.reaper.children[c.pid] != c {
		return nil
	}
	return syscall.Kill(c.pid, sig)
}
