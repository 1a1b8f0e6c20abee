// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

// fakeChild ends when it is signalled, unless it ignores SIGTERM.
type fakeChild struct {
	pid      int
	stubborn bool
	exit     chan string
}

func (c *fakeChild) PID() int              { return c.pid }
func (c *fakeChild) Exited() <-chan string { return c.exit }
func (c *fakeChild) Signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL || !c.stubborn {
		c.exit <- sig.String()
	}
	return nil
}

// machine starts fake children and remembers what happened.
type machine struct {
	mu       sync.Mutex
	pids     int
	stubborn bool
	started  []string
	children map[string]*fakeChild
}

func (m *machine) start(p Process) (Child, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pids++
	c := &fakeChild{pid: m.pids, stubborn: m.stubborn, exit: make(chan string, 2)}
	m.started = append(m.started, p.Name)
	m.children[p.Name] = c
	return c, nil
}

func (m *machine) crash(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.children[name].exit <- "exit status 1"
}

// run starts a supervisor that is stopped with the test.
func run(t *testing.T, s *Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func stateOf(s *Supervisor, name string) Status {
	for _, st := range s.Status() {
		if st.Name == name {
			return st
		}
	}
	return Status{}
}

func TestCrashedProcessReturnsAfterBackoff(t *testing.T) {
	clk := testingclock.NewFakeClock(time.Unix(0, 0))
	m := &machine{children: map[string]*fakeChild{}}
	s := New([]Process{{Name: "kubelet"}}, Options{Start: m.start, Clock: clk})
	run(t, s)
	eventually(t, "first start", func() bool { return stateOf(s, "kubelet").State == Running })
	m.crash("kubelet")
	eventually(t, "backing off", func() bool { return stateOf(s, "kubelet").State == BackingOff && clk.HasWaiters() })
	if st := stateOf(s, "kubelet"); st.PID != 0 || st.LastExit != "exit status 1" {
		t.Errorf("status after the crash: %+v", st)
	}
	clk.Step(firstBackoff)
	eventually(t, "second start", func() bool {
		st := stateOf(s, "kubelet")
		return st.State == Running && st.PID == 2 && st.Restarts == 1
	})
}

func TestStopHoldsUntilStart(t *testing.T) {
	m := &machine{children: map[string]*fakeChild{}}
	s := New([]Process{{Name: "a"}, {Name: "b"}}, Options{Start: m.start})
	run(t, s)
	eventually(t, "both running", func() bool { return stateOf(s, "a").State == Running && stateOf(s, "b").State == Running })
	if err := s.Do(Stop, "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "held", func() bool { return stateOf(s, "a").State == Held })
	if st := stateOf(s, "b"); st.State != Running || st.Restarts != 0 {
		t.Errorf("stopping a touched b: %+v", st)
	}
	if err := s.Do(Start, "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "running again", func() bool { return stateOf(s, "a").State == Running })
	if err := s.Do(Restart, "c"); !errors.Is(err, ErrNoSuchProcess) {
		t.Errorf("restart of a stranger: %v", err)
	}
}

func TestStubbornProcessIsKilledAtTheEnd(t *testing.T) {
	clk := testingclock.NewFakeClock(time.Unix(0, 0))
	m := &machine{children: map[string]*fakeChild{}, stubborn: true}
	s := New([]Process{{Name: "a"}}, Options{Start: m.start, Clock: clk})
	stop := run(t, s)
	eventually(t, "running", func() bool { return stateOf(s, "a").State == Running })
	go func() {
		for !clk.HasWaiters() {
			time.Sleep(time.Millisecond)
		}
		clk.Step(stopGrace)
	}()
	stop()
	if st := stateOf(s, "a"); st.State != Done || st.LastExit != "killed" {
		t.Errorf("status at the end: %+v", st)
	}
}

func TestGateHoldsBack(t *testing.T) {
	m := &machine{children: map[string]*fakeChild{}}
	open := make(chan struct{})
	gate := func(ctx context.Context, p Process) error {
		if p.After == nil {
			return nil
		}
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s := New([]Process{{Name: "kubelet", After: &Address{"unix", "/run/x.sock"}}, {Name: "containerd"}}, Options{Start: m.start, Gate: gate})
	run(t, s)
	eventually(t, "containerd", func() bool { return stateOf(s, "containerd").State == Running })
	if st := stateOf(s, "kubelet"); st.State != Waiting {
		t.Errorf("kubelet is %s before its gate opened", st.State)
	}
	close(open)
	eventually(t, "kubelet", func() bool { return stateOf(s, "kubelet").State == Running })
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.started, []string{"containerd", "kubelet"}) {
		t.Errorf("started in the order %v", m.started)
	}
}

func TestProcessesComeAndGo(t *testing.T) {
	m := &machine{children: map[string]*fakeChild{}}
	s := New([]Process{{Name: "a"}, {Name: "b"}}, Options{Start: m.start})
	if err := s.Remove("a"); err != nil { // before it was ever started
		t.Fatal(err)
	}
	if err := s.Add(Process{Name: "c"}); err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	eventually(t, "b and c", func() bool { return stateOf(s, "b").State == Running && stateOf(s, "c").State == Running })
	if err := s.Add(Process{Name: "d"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "d", func() bool { return stateOf(s, "d").State == Running })
	if err := s.Add(Process{Name: "d"}); err == nil {
		t.Error("two processes of one name")
	}

	if err := s.Remove("c"); err != nil {
		t.Fatal(err)
	}
	if st := stateOf(s, "c"); st.Name != "" {
		t.Errorf("after it was removed c is %+v", st)
	}
	if err := s.Remove("c"); !errors.Is(err, ErrNoSuchProcess) {
		t.Errorf("removed twice: %v", err)
	}
	if err := s.Add(Process{Name: "c", Argv: []string{"again"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "c again", func() bool { return stateOf(s, "c").State == Running })
	if st := stateOf(s, "b"); st.Restarts != 0 || st.PID != 1 && st.PID != 2 {
		t.Errorf("the others touched b: %+v", st)
	}

	stop()
	for _, st := range s.Status() {
		if st.State != Done {
			t.Errorf("at the end %s is %s", st.Name, st.State)
		}
	}
	if err := s.Add(Process{Name: "e"}); err == nil {
		t.Error("a process was added after the end")
	}
	if err := s.Remove("d"); err != nil {
		t.Errorf("remove after the end: %v", err)
	}
}
