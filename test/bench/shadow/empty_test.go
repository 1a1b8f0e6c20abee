// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/steppe-io/steppe/test/bench/compare"
)

// BenchmarkEmptyMemory measures servers that have just started for the first time
// and hold nothing but what they make themselves.
func BenchmarkEmptyMemory(b *testing.B) {
	once(b, func(ctx context.Context) (figures, error) {
		dir, err := newDir("empty")
		if err != nil {
			return nil, err
		}
		sides, err := newSides(dir)
		if err != nil {
			return nil, err
		}
		f := figures{}
		for _, s := range sides {
			took, err := s.up(ctx)
			if err != nil {
				return nil, err
			}
			defer s.stop()
			f[s.name+"-first-start-ms"] = float64(took) / float64(time.Millisecond)
		}
		if err := settle(ctx); err != nil {
			return nil, err
		}
		for _, s := range sides {
			if err := f.memory(s, ""); err != nil {
				return nil, err
			}
		}
		for _, s := range sides {
			if err := f.disk(s); err != nil {
				return nil, err
			}
			if err := f.runtime(ctx, s); err != nil {
				return nil, err
			}
			if err := s.profile(ctx, "empty"); err != nil {
				return nil, err
			}
		}
		return f, nil
	})
}

// BenchmarkEmptyStart measures from the start of the processes until the server is
// ready, on data without objects.
func BenchmarkEmptyStart(b *testing.B) {
	dir, err := newDir("start")
	if err != nil {
		b.Fatal(err)
	}
	sides, err := newSides(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range sides { // makes the data
		if _, err := s.up(b.Context()); err != nil {
			b.Fatal(err)
		}
		s.stop()
	}
	took := map[*side][]time.Duration{}
	for b.Loop() {
		for _, s := range sides {
			d, err := s.up(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			s.stop()
			took[s] = append(took[s], d)
		}
	}
	compare.Report(b, took)
}

// restart ends a side and starts it again.
func (s *side) restart(ctx context.Context) (time.Duration, error) {
	s.stop()
	took, err := s.up(ctx)
	if err != nil {
		return 0, fmt.Errorf("restarting: %w", err)
	}
	return took, nil
}
