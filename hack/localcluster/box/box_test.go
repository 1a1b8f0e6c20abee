// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

func TestLayDownRespectsTheMachinesChanges(t *testing.T) {
	dir := t.TempDir()
	record := filepath.Join(dir, "record")
	file := func(name, content string) File { return File{Path: filepath.Join(dir, name), Content: content} }
	read := func(name string) string {
		content, _ := os.ReadFile(filepath.Join(dir, name))
		return string(content)
	}
	lay := func(files ...File) {
		t.Helper()
		if err := layDown(files, record); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "before"), []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	lay(file("untouched", "1"), file("changed", "1"), file("removed", "1"), file("before", "1"))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "changed"), []byte("mine"), 0o644), os.Remove(filepath.Join(dir, "removed"))); err != nil {
		t.Fatal(err)
	}
	lay(file("untouched", "2"), file("changed", "2"), file("removed", "2"), file("before", "2"), file("sub/new", "2"))
	for name, want := range map[string]string{"untouched": "2", "changed": "mine", "removed": "", "before": "host", "sub/new": "2"} {
		if got := read(name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	l, err := openLog(dir, "kubelet", 100)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 29) + "\n")
	for range 50 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"kubelet.log", "kubelet.log.1"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 100 || info.Size()%30 != 0 {
			t.Errorf("%s has %d bytes, want whole lines and at most 100", name, info.Size())
		}
	}
	again, err := openLog(dir, "kubelet", 100)
	if err != nil {
		t.Fatal(err)
	}
	if again.size == 0 {
		t.Error("a reopened log forgot its size")
	}
}

// The reaper waits for all children of the process, so the tests of this
// package that start any use it and are not parallel.
func TestReaper(t *testing.T) {
	r := newReaper([]string{"PATH=/usr/bin:/bin"})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); r.run(stop) }()
	defer func() { close(stop); <-stopped }()
	dir := t.TempDir()
	log, err := openLog(dir, "sh", maxLog)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, script, want string }{
		{"success", "echo out; echo err >&2", "exit status 0"},
		{"failure", "exit 3", "exit status 3"},
		{"signal", "kill -9 $$", "signal: killed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			output, err := log.pipe()
			if err != nil {
				t.Fatal(err)
			}
			c, err := r.start([]string{"/bin/sh", "-c", tc.script}, output)
			output.Close()
			if err != nil {
				t.Fatal(err)
			}
			if how := <-c.Exited(); how != tc.want {
				t.Errorf("ended with %q, want %q", how, tc.want)
			}
			if err := c.Signal(9); err != nil {
				t.Errorf("signal to what has ended: %v", err)
			}
		})
	}
	if _, err := r.start([]string{"/no/such/program"}, os.Stdout); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("start of nothing: %v", err)
	}
}

func TestControlSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	err := serveControl(socket, func(req request) reply {
		if req.Op == "status" {
			return reply{Processes: []supervise.Status{{Name: "kubelet", State: supervise.Running}}}
		}
		return reply{Error: req.Op + " " + req.Process + " refused"}
	})
	if err != nil {
		t.Fatal(err)
	}
	statuses, err := Status(socket)
	if err != nil || len(statuses) != 1 || statuses[0].State != supervise.Running {
		t.Errorf("status = %v, %v", statuses, err)
	}
	if err := Do(socket, supervise.Kill, "kubelet"); err == nil || err.Error() != "kill kubelet refused" {
		t.Errorf("error = %v", err)
	}
	if _, err := Status(socket + "x"); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("error without a machine = %v", err)
	}
}

func TestSpecSurvivesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spec.json")
	want := Spec{Hostname: "edge-1", Files: []File{{Path: "/etc/x", Mode: 0o600}}, Processes: []supervise.Process{{Name: "kubelet", After: &supervise.Address{Network: "unix", Address: "/x"}}}}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Hostname != want.Hostname || got.Files[0] != want.Files[0] || *got.Processes[0].After != *want.Processes[0].After {
		t.Errorf("got %+v", got)
	}
}

// endless is a process that runs until it is told to end.
type endless struct{ exited chan string }

func (endless) PID() int                { return 1 }
func (e endless) Exited() <-chan string { return e.exited }
func (e endless) Signal(syscall.Signal) error {
	e.exited <- "signal"
	return nil
}

func TestAddedProcessesFollowTheSpec(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spec.json")
	own := supervise.Process{Name: "kubelet"}
	starts := make(chan supervise.Process, 10)
	supervisor := supervise.New([]supervise.Process{own}, supervise.Options{Start: func(p supervise.Process) (supervise.Child, error) {
		starts <- p
		return endless{make(chan string, 1)}, nil
	}})
	a := &additions{specPath: path, to: supervisor}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	one := supervise.Process{Name: "one", Argv: []string{"/one"}, After: &supervise.Address{Network: "tcp", Address: "x:1"}}
	two := supervise.Process{Name: "two", Argv: []string{"/two"}}
	changed := supervise.Process{Name: "two", Argv: []string{"/two", "--flag"}}
	for i, step := range []struct {
		reason string
		added  []supervise.Process
		starts []string // of their arguments
		names  []string
	}{
		{"what the spec has at boot is kept from the start", []supervise.Process{one}, []string{"", "/one"}, []string{"kubelet", "one"}},
		{"one more", []supervise.Process{one, two}, []string{"/two"}, []string{"kubelet", "one", "two"}},
		{"nothing changed", []supervise.Process{one, two}, nil, []string{"kubelet", "one", "two"}},
		{"one has other arguments", []supervise.Process{changed, one}, []string{"/two --flag"}, []string{"kubelet", "one", "two"}},
		{"one is gone", []supervise.Process{changed}, nil, []string{"kubelet", "two"}},
		{"all are gone", nil, nil, []string{"kubelet"}},
	} {
		if err := (Spec{Added: step.added}).Write(path); err != nil {
			t.Fatal(err)
		}
		if err := a.sync(); err != nil {
			t.Fatalf("%s: %v", step.reason, err)
		}
		if i == 0 {
			running.Go(func() { supervisor.Run(ctx) })
		}
		var started []string
		for range step.starts {
			started = append(started, strings.Join((<-starts).Argv, " "))
		}
		slices.Sort(started)
		if len(starts) > 0 || !slices.Equal(started, step.starts) {
			t.Errorf("%s: started %q and %d more, want %q", step.reason, started, len(starts), step.starts)
		}
		var names []string
		for _, status := range supervisor.Status() {
			names = append(names, status.Name)
		}
		if slices.Sort(names); !slices.Equal(names, step.names) {
			t.Errorf("%s: there are %q, want %q", step.reason, names, step.names)
		}
	}
	if err := (Spec{Added: []supervise.Process{own}}).Write(path); err != nil {
		t.Fatal(err)
	}
	if err := a.sync(); err == nil {
		t.Error("a process was added that has the name of the machine's own")
	}
}
