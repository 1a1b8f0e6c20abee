// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"fmt"
	"io"
	"time"
)

// progress tells a user what takes how long.
type progress struct {
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) *progress {
	if out == nil {
		out = io.Discard
	}
	return &progress{out: out, start: time.Now()}
}

// step runs f and prints its name and the time it took.
func (p *progress) step(name string, f func() error) error {
	began := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(p.out, "  %6.1fs  %s\n", time.Since(began).Seconds(), name)
	return nil
}

func (p *progress) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

func (p *progress) elapsed() time.Duration { return time.Since(p.start).Round(100 * time.Millisecond) }
