// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

const (
	// startAttempts is how often Start tries with other ports when the ports it
	// chose were taken in between.
	startAttempts = 3
	// pollInterval of readiness; the API server takes seconds, not minutes.
	pollInterval = 100 * time.Millisecond
)

// errPortTaken reports that a process could not bind a port that was free a
// moment ago.
var errPortTaken = errors.New("port taken")

// ControlPlane is a running control plane.
type ControlPlane struct {
	*Plan
	rest      *rest.Config
	processes []*process // in order of starting
	stopOnce  sync.Once
}

// Start brings up a control plane and returns when it is ready. The context
// bounds the start only; Stop ends the control plane, and so does the end of
// the calling process, however it ends.
func Start(ctx context.Context, config Config) (*ControlPlane, error) {
	if config.Binaries == nil {
		var err error
		if config.Binaries, err = binaries.Ensure(ctx, binaries.Options{}, config.programs()...); err != nil {
			return nil, err
		}
	}
	var err error
	for range startAttempts {
		var cp *ControlPlane
		if cp, err = startOnce(ctx, config); err == nil {
			return cp, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("start the control plane in %s: %w", config.Dir, err)
}

func startOnce(ctx context.Context, config Config) (*ControlPlane, error) {
	plan, err := Prepare(config)
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{Plan: plan}
	if cp.rest, err = plan.RESTConfig(); err != nil {
		return nil, err
	}
	if err := cp.run(ctx); err != nil {
		cp.Stop()
		return nil, err
	}
	return cp, nil
}

// RESTConfig returns the client configuration of an administrator, without
// client-side rate limits. Each call returns a copy of its own.
func (cp *ControlPlane) RESTConfig() *rest.Config {
	config := rest.CopyConfig(cp.rest)
	config.QPS = -1
	return config
}

// UserConfig returns the client configuration of a user, authenticated by a
// certificate, in the given groups.
func (cp *ControlPlane) UserConfig(user string, groups ...string) (*rest.Config, error) {
	name := strings.Map(func(r rune) rune {
		if r == ':' || r == '/' {
			return '-'
		}
		return r
	}, user)
	path, err := cp.WriteKubeconfig("user-"+name, user, groups...)
	if err != nil {
		return nil, err
	}
	return loadConfig(path)
}

// Log returns the path of a process's output.
func (cp *ControlPlane) Log(name string) string { return cp.logPath(name) }

// Pids returns the process IDs of the control plane, in order of starting.
func (cp *ControlPlane) Pids() []int {
	pids := make([]int, len(cp.processes))
	for i, p := range cp.processes {
		pids[i] = p.cmd.Process.Pid
	}
	return pids
}

// Stop ends all processes, the last started first, and returns when they are
// gone. Further calls do nothing.
func (cp *ControlPlane) Stop() {
	cp.stopOnce.Do(func() {
		for i := len(cp.processes) - 1; i >= 0; i-- {
			cp.processes[i].stop()
		}
	})
}

func (cp *ControlPlane) logPath(name string) string {
	return filepath.Join(cp.config.Dir, "log", name+".log")
}

// run starts the processes in order, each as soon as what it needs answers.
func (cp *ControlPlane) run(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(cp.config.Dir, "log"), 0o755); err != nil {
		return err
	}
	apiserver := hostPort(cp.config.Address, cp.config.Ports.APIServer)
	for _, command := range cp.Commands {
		if command.After == apiserver {
			if err := cp.wait(ctx, "the API server to be ready", cp.apiServerReady); err != nil {
				return err
			}
		} else if command.After != "" {
			if err := cp.wait(ctx, "etcd to accept connections", dialable(command.After)); err != nil {
				return err
			}
		}
		p, err := startProcess(command, cp.logPath(command.Name))
		if err != nil {
			return err
		}
		cp.processes = append(cp.processes, p)
	}
	return cp.wait(ctx, "the control plane to be ready", cp.ready)
}

// ready checks everything that was asked for.
func (cp *ControlPlane) ready(ctx context.Context) error {
	if err := cp.apiServerReady(ctx); err != nil {
		return err
	}
	if cp.config.ControllerManager {
		if err := healthy(ctx, cp.config.Ports.ControllerManager); err != nil {
			return err
		}
		// Without this account no pod can be created.
		client, err := kubernetes.NewForConfig(cp.rest)
		if err != nil {
			return err
		}
		if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
	}
	if cp.config.Scheduler {
		return healthy(ctx, cp.config.Ports.Scheduler)
	}
	return nil
}

func (cp *ControlPlane) apiServerReady(ctx context.Context) error {
	return apiServerReady(ctx, cp.rest)
}

// wait polls until check succeeds, a process ends, or the context does.
func (cp *ControlPlane) wait(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		for _, p := range cp.processes {
			if err := p.ended(); err != nil {
				return err
			}
		}
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; the last answer was: %w%s", what, context.Cause(ctx), err, cp.lastLog())
		case <-ticker.C:
		}
	}
}

// lastLog is the tail of the log of the process started last, the one that
// is being waited for.
func (cp *ControlPlane) lastLog() string {
	if len(cp.processes) == 0 {
		return ""
	}
	return cp.processes[len(cp.processes)-1].logTail()
}

// tail returns the last lines of a log for an error message, indented.
func tail(path string) string {
	const lines = 20
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	last := all[max(0, len(all)-lines):]
	return fmt.Sprintf("\nlast lines of %s:\n  %s", path, bytes.Join(last, []byte("\n  ")))
}
