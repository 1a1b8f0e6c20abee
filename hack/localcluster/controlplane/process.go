// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end by itself. The API server
// drains for a moment; a test does not care for more.
const stopGrace = 10 * time.Second

// process is a child whose output goes to a file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of Wait; read after done
}

// startProcess starts a child that the kernel kills when this process dies.
func startProcess(command Command, log string) (*process, error) {
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	p := &process{name: command.Name, log: log, done: make(chan struct{})}
	p.cmd = exec.Command(command.Argv[0], command.Argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	// A process group of its own keeps an interrupt on the terminal away from
	// it: Stop decides the order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig fires when the parent's thread dies, not its process: keep
		// the thread until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := p.cmd.Start(); err != nil {
			started <- fmt.Errorf("start %s: %w", command.Name, err)
			return
		}
		started <- nil
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended returns nil while the process runs and the reason with the end of its
// log after that.
func (p *process) ended() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	reason := fmt.Errorf("%s ended: %w", p.name, waitError(p.err))
	text := p.logTail()
	if strings.Contains(text, "address already in use") {
		reason = fmt.Errorf("%w: %w", errPortTaken, reason)
	}
	return fmt.Errorf("%w%s", reason, text)
}

func waitError(err error) error {
	if err == nil {
		return fmt.Errorf("exit status 0")
	}
	return err
}

func (p *process) logTail() string { return tail(p.log) }

// stop ends the process and returns when it is gone.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
