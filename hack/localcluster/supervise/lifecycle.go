// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package supervise

import "time"

// State of a process.
type State string

// The states and what leads from one to the next. Quit leads from any of them
// to Done, by way of Stopping if the process runs.
//
//	           gate opens            exits by itself
//	Waiting ───────────────► Running ───────────────► BackingOff ──┐
//	 ▲  ▲                      │ restart, hold           (timer)   │
//	 │  │        restart       ▼                                   │
//	 │  └────────────────── Stopping                               │
//	 │                         │ hold                              │
//	 │ release                 ▼                                   │
//	 └────────────────────── Held                                  │
//	 └─────────────────────────────────────────────────────────────┘
const (
	Waiting    State = "waiting"    // for what it needs (Process.After, Process.Before)
	Running    State = "running"    //
	BackingOff State = "backingOff" // it ended by itself; it is started again later
	Stopping   State = "stopping"   // asked to end, killed when the grace is over
	Held       State = "held"       // stopped until released
	Done       State = "done"       // the supervisor ended
)

const (
	firstBackoff = 250 * time.Millisecond
	// maxBackoff is short: a machine whose network returns should not idle.
	maxBackoff = 10 * time.Second
	// goodPeriod is how long a process must run for its past to be forgotten.
	goodPeriod = 30 * time.Second
	// stopGrace is how long a process may take to end by itself.
	stopGrace = 10 * time.Second
)

// event is what happens to a process.
type event int

const (
	opened    event = iota // its gate opened
	exited                 // it ended
	timedOut               // the timer that an earlier step armed ran out
	restart                // start it again, stopping it first if it runs
	hold                   // stop it and leave it stopped
	release                // undo hold
	killed                 // pull the plug on it
	quitEvent              // stop it for good
)

// step is what the keeper has to do after an event.
type step struct {
	gate      bool          // begin to wait for the gate
	start     bool          // start the process
	terminate bool          // ask it to end
	kill      bool          // make it end
	timer     time.Duration // arm the timer, replacing an earlier one
}

// lifecycle decides. It does nothing itself and knows no clock, so that it
// can be tested alone.
type lifecycle struct {
	state    State
	next     State // after Stopping
	backoff  time.Duration
	started  time.Time
	restarts int
}

// begin is the first step.
func (l *lifecycle) begin() step {
	l.state = Waiting
	return step{gate: true}
}

// on takes an event at a time and returns what to do.
func (l *lifecycle) on(e event, now time.Time) step {
	switch l.state {
	case Running:
		return l.whileRunning(e, now)
	case Stopping:
		return l.whileStopping(e)
	case Done:
		return step{}
	}
	// Nothing runs: Waiting, BackingOff or Held.
	switch e {
	case opened:
		if l.state == Waiting {
			l.state, l.started = Running, now
			return step{start: true}
		}
	case timedOut:
		if l.state == BackingOff {
			return l.begin()
		}
	case restart, release:
		if l.state != Waiting {
			return l.begin()
		}
	case hold:
		l.state = Held
	case quitEvent:
		l.state = Done
	}
	return step{}
}

func (l *lifecycle) whileRunning(e event, now time.Time) step {
	switch e {
	case exited:
		if now.Sub(l.started) >= goodPeriod {
			l.backoff = 0
		}
		l.backoff = min(max(2*l.backoff, firstBackoff), maxBackoff)
		l.restarts++
		l.state = BackingOff
		return step{timer: l.backoff}
	case killed:
		return step{kill: true}
	case restart:
		return l.stop(Waiting)
	case hold:
		return l.stop(Held)
	case quitEvent:
		return l.stop(Done)
	}
	return step{}
}

func (l *lifecycle) stop(next State) step {
	l.state, l.next = Stopping, next
	return step{terminate: true, timer: stopGrace}
}

func (l *lifecycle) whileStopping(e event) step {
	switch e {
	case exited:
		l.backoff = 0 // the end was wanted
		if l.next == Waiting {
			l.restarts++
			return l.begin()
		}
		l.state = l.next
	case timedOut, killed:
		return step{kill: true}
	case restart, release:
		if l.next != Done {
			l.next = Waiting
		}
	case hold:
		if l.next != Done {
			l.next = Held
		}
	case quitEvent:
		l.next = Done
	}
	return step{}
}
