// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process runs Steppe's programs for tests, as processes of their own made
// from the calling test binary: they can be killed, and run under the race
// detector where the test does.
package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
)

const (
	// run in the environment turns the test binary into a program, which it names.
	run = "STEPPE_TEST_RUN"

	// patience is how long a process may take to end when it is asked to.
	patience = 2 * time.Minute
)

// Main runs a program instead of tests in the processes that are made from the test
// binary. Call it first in TestMain, with the commands by the names of the
// programs.
func Main(programs map[string]func(context.Context) *cobra.Command) {
	command, ok := programs[os.Getenv(run)]
	if !ok {
		return
	}
	os.Exit(cli.Run(command(genericapiserver.SetupSignalContext())))
}

// Process is a program that can be started, ended and started again. Its methods
// may be called from any goroutine.
type Process struct {
	// LogPath is its output, of all its lives.
	LogPath string
	// Binary is an executable of the program, to be run instead of the test
	// binary. A benchmark of memory wants the program without tests in it.
	Binary string
	// Env are further environment variables.
	Env []string

	program string
	args    []string

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// New prepares a program, one of those that Main knows. What it prints in all its
// lives goes to the log.
func New(program, logPath string, args ...string) *Process {
	return &Process{program: program, LogPath: logPath, args: args}
}

// FreePort returns a port of loopback that nobody listens on.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// Start starts the process. It does not wait until it does its work.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	binary := p.Binary
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return err
		}
	}
	cmd := exec.Command(binary, p.args...)
	cmd.Env = append(os.Environ(), run+"="+p.program)
	cmd.Env = append(cmd.Env, p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(exited)
	}()
	return nil
}

// Kill ends the process as a power cut would, and returns when it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop asks the process to end, and returns when it is gone.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

func (p *Process) end(signal syscall.Signal) {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(signal) // it may have ended by itself
	select {
	case <-exited:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-exited
	}
}

// Pid is the process ID of the current life.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// WaitExit waits for the process to end by itself and returns how it did.
func (p *Process) WaitExit(ctx context.Context) error {
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	select {
	case <-exited:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s to end: %w", p.program, ctx.Err())
	}
}

// Exited tells whether the process has ended.
func (p *Process) Exited() bool {
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	select {
	case <-exited:
		return true
	default:
		return false
	}
}

// Log returns what the process has printed in all its lives.
func (p *Process) Log() string {
	data, err := os.ReadFile(p.LogPath)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}
