// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apiserver/pkg/features"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
)

// serveWatchesOnSmallStacks has a watch wait for events on a stack that has not
// grown by the dozens of handlers that have let the request in: of those there are
// hundreds, as each kubelet watches each Secret by itself. The feature is Kubernetes'
// own and off by default.
func serveWatchesOnSmallStacks() error {
	if utilfeature.DefaultFeatureGate.Enabled(features.APIServingWithRoutine) {
		return nil
	}
	return utilfeature.DefaultMutableFeatureGate.OverrideDefault(features.APIServingWithRoutine, true)
}

const (
	// settling is how long after the start most of it is over.
	settling = 5 * time.Second

	// releasePeriod is how often memory is given back. Each time costs one garbage
	// collection, and a few milliseconds for the pages that are touched again.
	releasePeriod = 2 * time.Minute
)

// releaseMemory gives memory back, first when the start is over and then now and
// again, until ctx is done.
func releaseMemory(ctx context.Context) {
	logger := klog.FromContext(ctx)
	for wait := settling; ; wait = releasePeriod {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		debug.FreeOSMemory()
		if err := releaseFiles(wait == settling); err != nil {
			logger.Info("Could not give back the memory of files", "err", err)
			return
		}
	}
}

// releaseFiles gives back pages of files. Those of the program, most of which only
// the start needs, stay in the page cache for as long as nobody needs the memory
// more. At the end of the start those of the database go, too: etcd has all of it
// read when it opens it.
func releaseFiles(started bool) error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer file.Close()
	mappings, err := fileMappings(file)
	if err != nil {
		return fmt.Errorf("reading /proc/self/smaps: %w", err)
	}
	for _, m := range mappings {
		var advice int
		switch {
		case m.path == program && !m.changed:
			advice = unix.MADV_DONTNEED
		case m.shared && started:
			// The database may be mapped elsewhere by now, and anything in its
			// place: this is an advice that never loses anything.
			advice = unix.MADV_PAGEOUT
		default:
			continue
		}
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, uintptr(advice))
		if errno != 0 && errno != unix.ENOMEM { // nothing is mapped there any more
			return fmt.Errorf("advising the kernel of %s: %w", m.path, errno)
		}
	}
	return nil
}

// mapping is where a part of a file is mapped that cannot be written there.
type mapping struct {
	from, to uintptr
	path     string
	// shared tells that others see what is written to the file.
	shared bool
	// changed tells that there is what is not in the file: a dynamic linker has
	// written it before it took away the right to.
	changed bool
}

// fileMappings reads /proc/self/smaps.
func fileMappings(smaps io.Reader) (found []mapping, _ error) {
	var last *mapping // nil if it is of no interest
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case strings.HasSuffix(fields[0], ":"): // Anonymous:             0 kB
			if last != nil && fields[0] == "Anonymous:" && fields[1] != "0" {
				last.changed = true
			}
		case len(fields) < 6 || strings.Contains(fields[1], "w"):
			last = nil
		default: // 00400000-01a2b000 r-xp 00000000 fd:00 1234   /path/of/program
			m := mapping{path: strings.Join(fields[5:], " "), shared: strings.HasSuffix(fields[1], "s")}
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to); err != nil {
				return nil, fmt.Errorf("%q: %w", fields[0], err)
			}
			found = append(found, m)
			last = &found[len(found)-1]
		}
	}
	return found, lines.Err()
}
