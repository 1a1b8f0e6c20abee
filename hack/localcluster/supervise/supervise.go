// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package supervise keeps the processes of a machine running: it starts each
// when what it needs answers, starts it again with a growing delay when it
// ends, and stops, holds and restarts it on request.
//
// A keeper goroutine per process feeds a small state machine (lifecycle.go)
// and carries out its decisions. How a process is really started is left to
// the caller: PID 1 must reap all orphans as well, a test starts nothing.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Process is a program to keep running.
type Process struct {
	// Name is unique within the machine.
	Name string `json:"name"`
	// Argv is the command line with the path of the executable first.
	Argv []string `json:"argv"`
	// After is what must accept connections before each start of the
	// process. Nil if nothing.
	After *Address `json:"after,omitempty"`
	// NeedsImages holds the process back until the machine's container images
	// are imported.
	NeedsImages bool `json:"needsImages,omitempty"`
}

// Address is a place to connect to, as for net.Dial.
type Address struct {
	Network string `json:"network"` // tcp or unix
	Address string `json:"address"`
}

// Child is a started process.
type Child interface {
	PID() int
	Signal(syscall.Signal) error
	// Exited yields how it ended, once.
	Exited() <-chan string
}

// Options are what a Supervisor needs from its caller.
type Options struct {
	// Start starts the process.
	Start func(Process) (Child, error)
	// Gate returns when the process may be started. After an error it is asked
	// again, a second later. Nil means at once.
	Gate func(context.Context, Process) error
	// Clock is the real one if nil.
	Clock clock.WithTicker
}

// Status of a process.
type Status struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"` // as the supervisor sees it; 0 if not running
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	LastExit string    `json:"lastExit,omitempty"`
}

// Supervisor keeps processes.
type Supervisor struct {
	opts Options

	mu      sync.Mutex      // guards the fields below
	keepers []*keeper       // in order of starting
	keep    context.Context // Run's, as long as it keeps; else nil
	ended   bool
	running sync.WaitGroup // a keeper each; added to under mu
}

// New returns a supervisor of the processes; Run starts them.
func New(processes []Process, opts Options) *Supervisor {
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	s := &Supervisor{opts: opts}
	for _, p := range processes {
		s.keepers = append(s.keepers, newKeeper(p, opts))
	}
	return s
}

// Run keeps the processes until the context ends, then stops them, the last
// first, and returns when all are gone.
func (s *Supervisor) Run(ctx context.Context) {
	// The keepers outlive ctx by the time it takes to stop in order.
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.mu.Lock()
	s.keep = keep
	for _, k := range s.keepers {
		s.running.Go(func() { k.run(keep) })
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.keep, s.ended = nil, true
	keepers := slices.Clone(s.keepers)
	s.mu.Unlock()
	for _, k := range slices.Backward(keepers) {
		k.quit()
	}
	s.running.Wait()
}

// Add keeps another process, after all others.
func (s *Supervisor) Add(p Process) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errors.New("the supervisor has ended")
	}
	if s.find(p.Name) >= 0 {
		return fmt.Errorf("there is a process %q already", p.Name)
	}
	k := newKeeper(p, s.opts)
	s.keepers = append(s.keepers, k)
	if keep := s.keep; keep != nil {
		s.running.Go(func() { k.run(keep) })
	}
	return nil
}

// Remove ends a process as Stop does, and forgets it. It returns when the process
// is gone.
func (s *Supervisor) Remove(name string) error {
	s.mu.Lock()
	i := s.find(name)
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoSuchProcess, name)
	}
	k, runs := s.keepers[i], s.keep != nil || s.ended
	s.keepers = slices.Delete(s.keepers, i, i+1)
	s.mu.Unlock()
	if runs {
		k.quit()
	}
	return nil
}

// find returns the place of a process among the keepers, or -1. The caller holds mu.
func (s *Supervisor) find(name string) int {
	return slices.IndexFunc(s.keepers, func(k *keeper) bool { return k.process.Name == name })
}

// Status returns the state of every process.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.keepers))
	for i, k := range s.keepers {
		all[i] = k.currentStatus()
	}
	return all
}

// Request is what can be asked of a process.
type Request string

// The requests. Each returns once it is accepted, before it has taken effect.
const (
	// Restart ends the process with SIGTERM and starts it again at once.
	Restart Request = "restart"
	// Kill ends the process with SIGKILL; it is started again like after a
	// crash.
	Kill Request = "kill"
	// Stop ends the process and leaves it stopped.
	Stop Request = "stop"
	// Start undoes Stop.
	Start Request = "start"
)

var events = map[Request]event{Restart: restart, Kill: killed, Stop: hold, Start: release}

// ErrNoSuchProcess is returned for a name that the machine does not run.
var ErrNoSuchProcess = errors.New("no such process")

// Do passes a request on to the process of that name.
func (s *Supervisor) Do(request Request, name string) error {
	e, ok := events[request]
	if !ok {
		return fmt.Errorf("unknown request %q, must be restart, kill, stop or start", request)
	}
	s.mu.Lock()
	i := s.find(name)
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoSuchProcess, name)
	}
	k := s.keepers[i]
	s.mu.Unlock()
	k.send(e)
	return nil
}

// keeper owns one process. Only its goroutine touches life, child and timer.
type keeper struct {
	process  Process
	opts     Options
	requests chan event
	finished chan struct{}

	life      lifecycle
	child     Child
	timer     clock.Timer
	gate      chan error // result of the gate being waited for
	closeGate context.CancelFunc

	mu     sync.Mutex
	status Status // guarded by mu
}

func newKeeper(p Process, opts Options) *keeper {
	return &keeper{
		process: p, opts: opts,
		requests: make(chan event), finished: make(chan struct{}),
		closeGate: func() {},
		status:    Status{Name: p.Name, State: Waiting, Since: opts.Clock.Now()},
	}
}

// send hands an event to the keeper, or drops it when the keeper is done.
func (k *keeper) send(e event) {
	select {
	case k.requests <- e:
	case <-k.finished:
	}
}

// quit ends the process for good, and returns when it is gone.
func (k *keeper) quit() {
	k.send(quitEvent)
	<-k.finished
}

func (k *keeper) currentStatus() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.finished)
	logger := klog.FromContext(ctx).WithValues("process", k.process.Name)
	ctx = klog.NewContext(ctx, logger)
	k.carryOut(ctx, k.life.begin())
	for k.life.state != Done {
		k.carryOut(ctx, k.life.on(k.await(ctx), k.opts.Clock.Now()))
	}
	k.stopTimer()
	k.closeGate()
}

// await returns the next event.
func (k *keeper) await(ctx context.Context) event {
	var exit <-chan string
	if k.child != nil {
		exit = k.child.Exited()
	}
	var timer <-chan time.Time
	if k.timer != nil {
		timer = k.timer.C()
	}
	select {
	case e := <-k.requests:
		return e
	case how := <-exit:
		klog.FromContext(ctx).Info("Process ended", "how", how, "state", k.life.state)
		k.child = nil
		k.setStatus(func(s *Status) { s.LastExit = how })
		return exited
	case <-timer:
		k.timer = nil
		return timedOut
	case err := <-k.gate:
		k.gate = nil
		if err != nil {
			klog.FromContext(ctx).Info("Process cannot be started yet", "err", err)
			k.waitForGate(ctx)
			return event(-1) // nothing happened
		}
		return opened
	}
}

// carryOut does what the state machine decided. A failed start counts as an
// exit.
func (k *keeper) carryOut(ctx context.Context, todo step) {
	k.stopTimerUnlessStopping()
	if k.life.state != Waiting {
		k.closeGate()
		k.gate = nil
	}
	if todo.gate {
		k.waitForGate(ctx)
	}
	if todo.terminate {
		k.signal(ctx, syscall.SIGTERM)
	}
	if todo.kill {
		k.signal(ctx, syscall.SIGKILL)
	}
	if todo.timer > 0 {
		k.timer = k.opts.Clock.NewTimer(todo.timer)
	}
	if todo.start {
		child, err := k.opts.Start(k.process)
		if err != nil {
			klog.FromContext(ctx).Error(err, "Process did not start")
			k.setStatus(func(s *Status) { s.LastExit = err.Error() })
			k.carryOut(ctx, k.life.on(exited, k.opts.Clock.Now()))
			return
		}
		k.child = child
		klog.FromContext(ctx).Info("Process started", "pid", child.PID(), "restarts", k.life.restarts)
	}
	k.setStatus(func(*Status) {})
}

// setStatus publishes the state after an optional change.
func (k *keeper) setStatus(change func(*Status)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.status)
	if k.status.State != k.life.state || k.status.Restarts != k.life.restarts {
		k.status.Since = k.opts.Clock.Now()
	}
	k.status.State, k.status.Restarts, k.status.PID = k.life.state, k.life.restarts, 0
	if k.child != nil {
		k.status.PID = k.child.PID()
	}
}

// stopTimerUnlessStopping drops the backoff timer once it is moot. The timer
// of Stopping stays until the process has ended.
func (k *keeper) stopTimerUnlessStopping() {
	if k.life.state != Stopping && k.life.state != BackingOff {
		k.stopTimer()
	}
}

func (k *keeper) stopTimer() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}

func (k *keeper) signal(ctx context.Context, sig syscall.Signal) {
	if k.child == nil {
		return
	}
	if err := k.child.Signal(sig); err != nil {
		klog.FromContext(ctx).Info("Process took no signal", "signal", sig, "err", err)
	}
}

// waitForGate asks the gate in a goroutine that ends with closeGate. A refusal
// is delivered late, so that asking again is not a busy loop.
func (k *keeper) waitForGate(ctx context.Context) {
	k.closeGate()
	ctx, k.closeGate = context.WithCancel(ctx)
	result := make(chan error, 1)
	k.gate = result
	if k.opts.Gate == nil {
		result <- nil
		return
	}
	go func() {
		err := k.opts.Gate(ctx, k.process)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-k.opts.Clock.After(gateRetry):
			}
		}
		result <- err
	}()
}

// gateRetry is the pause after a gate refused.
const gateRetry = time.Second
