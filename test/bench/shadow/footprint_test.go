// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/steppe-io/steppe/test/bench/compare"
)

// filled are the sides with all objects, which all benchmarks below share.
type filled struct {
	sides []*side
	load  figures
}

var fill = sync.OnceValues(func() (*filled, error) {
	dir, err := newDir("large")
	if err != nil {
		return nil, err
	}
	sides, err := newSides(dir)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	for _, s := range sides {
		if _, err := s.up(ctx); err != nil {
			return nil, err
		}
		atEnd(func() { s.stop() })
	}
	f, err := load(ctx, sides, large)
	if err != nil {
		return nil, err
	}
	return &filled{sides, f}, nil
})

// need returns the sides with all objects.
func need(b *testing.B) *filled {
	b.Helper()
	f, err := fill()
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkLoad measures how fast 16 clients fill a side: a pod is created and then
// its status is reported.
func BenchmarkLoad(b *testing.B) {
	f := need(b)
	once(b, func(context.Context) (figures, error) { return f.load, nil })
}

// BenchmarkMemory measures sides that have all objects: after they came in, at
// rest, after a restart, and at rest after that.
func BenchmarkMemory(b *testing.B) {
	f := need(b)
	once(b, func(ctx context.Context) (figures, error) {
		result := figures{}
		at := func(moment string) error {
			for _, s := range f.sides {
				if err := result.memory(s, moment); err != nil {
					return err
				}
			}
			return nil
		}
		if err := at("loaded"); err != nil {
			return nil, err
		}
		if err := settle(ctx); err != nil {
			return nil, err
		}
		if err := at("rested"); err != nil {
			return nil, err
		}
		for _, s := range f.sides {
			if err := result.runtime(ctx, s); err != nil {
				return nil, err
			}
			if err := result.disk(s); err != nil {
				return nil, err
			}
		}
		for _, s := range f.sides {
			if _, err := s.restart(ctx); err != nil {
				return nil, err
			}
		}
		if err := at("restarted"); err != nil {
			return nil, err
		}
		if err := settle(ctx); err != nil {
			return nil, err
		}
		if err := at("restarted-rested"); err != nil {
			return nil, err
		}
		for _, s := range f.sides {
			if err := s.profile(ctx, "restarted"); err != nil {
				return nil, err
			}
		}
		return result, nil
	})
}

// BenchmarkStart measures from the start of the processes until the server is
// ready, with all objects.
func BenchmarkStart(b *testing.B) {
	f := need(b)
	took := map[*side][]time.Duration{}
	for b.Loop() {
		for _, s := range f.sides {
			d, err := s.restart(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			took[s] = append(took[s], d)
		}
	}
	compare.Report(b, took)
}
