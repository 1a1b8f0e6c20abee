// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import "testing"

func TestCollectorIsCheapWhileTheServerIsBusy(t *testing.T) {
	var cycles uint64
	c := newCollector(func() uint64 { return cycles })
	for i, step := range []struct {
		name        string
		collections uint64
		want        int
	}{
		{"a start is busy", 3, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"calm for long", 0, calmPercent},
		{"one collection is calm", 1, calmPercent},
		{"two are busy", 2, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"not calm yet", 1, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"nothing", 0, busyPercent},
		{"calm for long", 0, calmPercent},
	} {
		cycles += step.collections
		if got := c.percent(); got != step.want {
			t.Errorf("step %d, %s: got %d, want %d", i, step.name, got, step.want)
		}
	}
}
