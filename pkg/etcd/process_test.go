// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// memberEnv has the Config of the member that the test binary is to be, in JSON.
const memberEnv = "STEPPE_TEST_ETCD_MEMBER"

const readyLine = "ready"

func TestMain(m *testing.M) {
	if config := os.Getenv(memberEnv); config != "" {
		if err := beMember(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beMember runs a member until the process that wants it closes the pipe, or dies.
func beMember(config string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		cancel(errors.Join(errors.New("asked to end"), err))
	}()
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println(readyLine)
	select {
	case <-ctx.Done():
	case <-s.Failed():
		return errors.Join(s.Failure(), s.Close())
	}
	return s.Close()
}

// process is a member in a process of its own.
type process struct {
	cfg   Config
	cmd   *exec.Cmd
	stdin io.Closer
	ready chan struct{} // closed when it is
	ended chan struct{} // closed when the process has
	log   bytes.Buffer  // to be read after ended
}

// spawn starts a member without waiting for it.
func spawn(t *testing.T, cfg Config) *process {
	t.Helper()
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cfg: cfg, cmd: exec.Command(os.Args[0]), ready: make(chan struct{}), ended: make(chan struct{})} //nolint:gosec // it is this binary
	p.cmd.Env = append(os.Environ(), memberEnv+"="+string(config))
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == readyLine {
				close(p.ready)
			}
		}
		_ = p.cmd.Wait() // how it ended is in the log
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("member on %s:\n%s", cfg.Dir, p.log.String())
		}
	})
	return p
}

// kill ends the process as a power cut does, save for what the kernel holds.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop ends the process in order.
func (p *process) stop() {
	p.stdin.Close()
	<-p.ended
}

// waitReady waits until the member serves.
func (p *process) waitReady(t *testing.T) {
	t.Helper()
	select {
	case <-p.ready:
	case <-p.ended:
		t.Fatalf("the member on %s ended:\n%s", p.cfg.Dir, p.log.String())
	case <-time.After(time.Minute):
		t.Fatalf("the member on %s is not ready after a minute", p.cfg.Dir)
	}
}

// waitRefused waits until the member has ended, and says why.
func (p *process) waitRefused(t *testing.T, want error) {
	t.Helper()
	select {
	case <-p.ended:
		if !strings.Contains(p.log.String(), want.Error()) {
			t.Fatalf("the member on %s ended, want it to say %q:\n%s", p.cfg.Dir, want, p.log.String())
		}
	case <-time.After(time.Minute):
		t.Fatalf("the member on %s still runs after a minute, want %q", p.cfg.Dir, want)
	}
}

// client talks to the member over its socket.
func (p *process) client(t *testing.T) *clientv3.Client {
	t.Helper()
	client, err := Connect(t.Context(), p.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// moveData moves a data directory.
func moveData(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
