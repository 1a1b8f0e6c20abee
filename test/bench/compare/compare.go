// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package compare measures sides that do the same, in turn, so that whatever else
// the machine does hits all of them, and reports each side's figures as metrics of
// one benchmark.
package compare

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// warmUps is how often each side does what is measured before it counts:
// connections, caches.
const warmUps = 20

// Side is one of those compared. Its name is a part of metrics.
type Side interface {
	comparable
	fmt.Stringer
}

// Latency measures op and reports the distribution of each side.
func Latency[S Side](b *testing.B, sides []S, op func(ctx context.Context, side S) error) {
	b.Helper()
	warmUp(b, sides, warmUps, op)
	Report(b, alternate(b, sides, op))
}

// Rate measures rounds of n operations each and reports how many operations each
// side does in a second, in its median round.
func Rate[S Side](b *testing.B, sides []S, n int, round func(ctx context.Context, side S) error) {
	b.Helper()
	warmUp(b, sides, 1, round)
	took := alternate(b, sides, round)
	b.ReportMetric(0, "ns/op") // of all sides together: says nothing
	for side, durations := range took {
		b.ReportMetric(float64(n)/Percentile(durations, 50).Seconds(), side.String()+"-per-s")
	}
}

func warmUp[S Side](b *testing.B, sides []S, times int, op func(ctx context.Context, side S) error) {
	b.Helper()
	for _, side := range sides {
		for range times {
			if err := op(b.Context(), side); err != nil {
				b.Fatalf("%s: %v", side, err)
			}
		}
	}
}

func alternate[S Side](b *testing.B, sides []S, op func(ctx context.Context, side S) error) map[S][]time.Duration {
	b.Helper()
	took := map[S][]time.Duration{}
	for i := 0; b.Loop(); i++ {
		for k := range sides {
			side := sides[(i+k)%len(sides)]
			start := time.Now()
			if err := op(b.Context(), side); err != nil {
				b.Fatalf("%s: %v", side, err)
			}
			took[side] = append(took[side], time.Since(start))
		}
	}
	return took
}

// Report reports the distribution of each side.
func Report[S Side](b *testing.B, took map[S][]time.Duration) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // of all sides together: says nothing
	for side, durations := range took {
		for _, percentile := range []int{50, 99} {
			milliseconds := float64(Percentile(durations, percentile)) / float64(time.Millisecond)
			b.ReportMetric(milliseconds, fmt.Sprintf("%s-p%d-ms", side, percentile))
		}
	}
}

// Percentile returns that of durations, which it sorts.
func Percentile(durations []time.Duration, percentile int) time.Duration {
	if len(durations) == 0 {
		return math.MaxInt64
	}
	slices.Sort(durations)
	return durations[(len(durations)-1)*percentile/100]
}
