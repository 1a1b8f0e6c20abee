// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// calmPercent and busyPercent are by how much the heap may grow before it is
	// collected. A site's server is calm nearly always, and its machine has better
	// use for memory. While it is busy, processor time is what is short.
	calmPercent, busyPercent = 25, 100

	// collectorPeriod is how often it is seen how busy the collector is.
	collectorPeriod = 2 * time.Second

	// busyCollections in one period are busy. calmPeriods without any are calm.
	busyCollections, calmPeriods = 2, 5
)

// saveMemory makes the program small while it is calm, until ctx is done, unless the
// environment says how its garbage is to be collected.
func saveMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	c := newCollector(func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	})
	go func() {
		tick := time.NewTicker(collectorPeriod)
		defer tick.Stop()
		for set := 0; ; {
			if percent := c.percent(); percent != set {
				debug.SetGCPercent(percent) // which stops the world
				set = percent
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// collector judges how busy the garbage collector is.
type collector struct {
	cycles func() uint64 // since the start of the program

	last uint64
	busy bool
	calm int // periods without a collection
}

func newCollector(cycles func() uint64) *collector {
	// A start is busy.
	return &collector{cycles: cycles, last: cycles(), busy: true}
}

// percent is asked once in a period.
func (c *collector) percent() int {
	now := c.cycles()
	n := now - c.last
	c.last = now
	switch {
	case n >= busyCollections:
		c.busy, c.calm = true, 0
	case n > 0:
		c.calm = 0
	default:
		if c.calm++; c.calm >= calmPeriods {
			c.busy = false
		}
	}
	if c.busy {
		return busyPercent
	}
	return calmPercent
}
