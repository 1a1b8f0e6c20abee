// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"testing"
	"time"
)

func TestLifecycle(t *testing.T) {
	type move struct {
		event event
		after time.Duration // since the previous move
		want  step
		state State
	}
	stop := step{terminate: true, timer: stopGrace}
	tests := []struct {
		name, reason string
		moves        []move
	}{
		{"crash", "a process that ends by itself comes back after a growing delay", []move{
			{opened, 0, step{start: true}, Running},
			{exited, time.Second, step{timer: firstBackoff}, BackingOff},
			{timedOut, 0, step{gate: true}, Waiting},
			{opened, 0, step{start: true}, Running},
			{exited, time.Second, step{timer: 2 * firstBackoff}, BackingOff},
		}},
		{"good period", "what ran well starts again quickly, however often it crashed before", []move{
			{opened, 0, step{start: true}, Running},
			{exited, 0, step{timer: firstBackoff}, BackingOff},
			{timedOut, 0, step{gate: true}, Waiting},
			{opened, 0, step{start: true}, Running},
			{exited, goodPeriod, step{timer: firstBackoff}, BackingOff},
		}},
		{"restart", "a wanted restart has no delay", []move{
			{opened, 0, step{start: true}, Running},
			{restart, 0, stop, Stopping},
			{exited, 0, step{gate: true}, Waiting},
		}},
		{"stubborn", "what ignores SIGTERM is killed", []move{
			{opened, 0, step{start: true}, Running},
			{hold, 0, stop, Stopping},
			{timedOut, stopGrace, step{kill: true}, Stopping},
			{exited, 0, step{}, Held},
		}},
		{"hold and release", "a held process stays down through late events", []move{
			{opened, 0, step{start: true}, Running},
			{hold, 0, stop, Stopping},
			{exited, 0, step{}, Held},
			{timedOut, time.Minute, step{}, Held},
			{opened, 0, step{}, Held},
			{release, 0, step{gate: true}, Waiting},
		}},
		{"hold while backing off", "a stopped process does not come back with the timer", []move{
			{opened, 0, step{start: true}, Running},
			{exited, 0, step{timer: firstBackoff}, BackingOff},
			{hold, 0, step{}, Held},
			{timedOut, 0, step{}, Held},
		}},
		{"release while stopping", "the last word counts", []move{
			{opened, 0, step{start: true}, Running},
			{hold, 0, stop, Stopping},
			{release, 0, step{}, Stopping},
			{exited, 0, step{gate: true}, Waiting},
		}},
		{"quit wins", "nothing is started once the supervisor ends", []move{
			{opened, 0, step{start: true}, Running},
			{quitEvent, 0, stop, Stopping},
			{restart, 0, step{}, Stopping},
			{exited, 0, step{}, Done},
			{opened, 0, step{}, Done},
		}},
		{"kill", "a killed process is treated as crashed", []move{
			{opened, 0, step{start: true}, Running},
			{killed, 0, step{kill: true}, Running},
			{exited, 0, step{timer: firstBackoff}, BackingOff},
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var l lifecycle
			l.begin()
			now := time.Unix(0, 0)
			for i, m := range tc.moves {
				now = now.Add(m.after)
				if got := l.on(m.event, now); got != m.want {
					t.Errorf("%s: move %d gave %+v, want %+v", tc.reason, i, got, m.want)
				}
				if l.state != m.state {
					t.Fatalf("%s: move %d led to %s, want %s", tc.reason, i, l.state, m.state)
				}
			}
		})
	}
}

func TestBackoffIsBounded(t *testing.T) {
	var l lifecycle
	l.begin()
	now := time.Unix(0, 0)
	for range 50 {
		l.on(opened, now)
		if todo := l.on(exited, now); todo.timer > maxBackoff {
			t.Fatalf("backoff of %s", todo.timer)
		}
		l.on(timedOut, now)
	}
	if l.restarts != 50 {
		t.Errorf("counted %d restarts, want 50", l.restarts)
	}
}
