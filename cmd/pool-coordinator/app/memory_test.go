// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smaps = `00400000-02cb2000 r-xp 00000000 fe:00 9979325                            /opt/steppe/pool-coordinator
Size:              41672 kB
Rss:               38000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
02cb2000-05a7e000 r--p 028b2000 fe:00 9979325                            /opt/steppe/pool-coordinator
Anonymous:             8 kB
05a7e000-05b66000 rw-p 0567e000 fe:00 9979325                            /opt/steppe/pool-coordinator
Anonymous:           500 kB
c000000000-c008000000 rw-p 00000000 00:00 0
Anonymous:        120000 kB
7f0000000000-7f0001000000 r--s 00000000 fe:00 42                         /var/lib/a site/db
Anonymous:             0 kB
7ffd1c000000-7ffd1c004000 r--p 00000000 00:00 0                          [vvar]
Anonymous:             0 kB
`

func TestFileMappings(t *testing.T) {
	got, err := fileMappings(strings.NewReader(smaps))
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{
		{from: 0x400000, to: 0x2cb2000, path: "/opt/steppe/pool-coordinator"},
		{from: 0x2cb2000, to: 0x5a7e000, path: "/opt/steppe/pool-coordinator", changed: true},
		{from: 0x7f0000000000, to: 0x7f0001000000, path: "/var/lib/a site/db", shared: true},
		{from: 0x7ffd1c000000, to: 0x7ffd1c004000, path: "[vvar]"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Error(diff)
	}
}

// What is given back comes again when it is needed.
func TestProgramGoesOnWithoutItsPages(t *testing.T) {
	for _, started := range []bool{true, false} {
		if err := releaseFiles(started); err != nil {
			t.Fatal(err)
		}
	}
	TestFileMappings(t)
}
