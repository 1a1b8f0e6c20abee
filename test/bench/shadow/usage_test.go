// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	mebibyte = 1 << 20

	// clockTick is the unit of times in /proc.
	clockTick = 10 * time.Millisecond
)

// usage is what the processes of a side use, all together.
type usage struct {
	// rss is the memory that is theirs, files that they have mapped included,
	// anonymous is without those, peak is the most that rss was.
	rss, anonymous, peak int64
	// cpu is the time they have had.
	cpu time.Duration
	// written is what they have had written to disk.
	written int64
}

func (s *side) usage() (total usage, err error) {
	for _, pid := range s.pids() {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		var u usage
		if u.rss, err = field(filepath.Join(dir, "smaps_rollup"), "Rss:", 1024); err != nil {
			return usage{}, err
		}
		if u.anonymous, err = field(filepath.Join(dir, "smaps_rollup"), "Anonymous:", 1024); err != nil {
			return usage{}, err
		}
		if u.peak, err = field(filepath.Join(dir, "status"), "VmHWM:", 1024); err != nil {
			return usage{}, err
		}
		if u.written, err = field(filepath.Join(dir, "io"), "write_bytes:", 1); err != nil {
			return usage{}, err
		}
		if u.cpu, err = cpuTime(filepath.Join(dir, "stat")); err != nil {
			return usage{}, err
		}
		total.rss += u.rss
		total.anonymous += u.anonymous
		total.peak += u.peak
		total.cpu += u.cpu
		total.written += u.written
	}
	return total, nil
}

// field reads a number behind a name.
func field(path, name string, unit int64) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		if fields := strings.Fields(scanner.Text()); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n * unit, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

func cpuTime(path string) (time.Duration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The name of the program, in brackets, may have spaces in it.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("%s is too short", path)
	}
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// onDisk returns the bytes that a side's data take: in all, and those of logs that
// are there before they are filled.
func (s *side) onDisk() (total, logs int64, err error) {
	err = filepath.WalkDir(s.data, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was renamed in between
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
			total += stat.Blocks * 512
			if filepath.Base(filepath.Dir(path)) == "wal" {
				logs += stat.Blocks * 512
			}
		}
		return nil
	})
	return total, logs, err
}

// goroutines asks the API server itself, as the only one of the processes.
func (s *side) goroutines(ctx context.Context) (count float64, heap float64, err error) {
	client, err := s.client("kubernetes-admin", "system:masters")
	if err != nil {
		return 0, 0, err
	}
	data, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").Do(ctx).Raw()
	if err != nil {
		return 0, 0, err
	}
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		if rest, ok := strings.CutPrefix(scanner.Text(), "go_goroutines "); ok {
			count, err = strconv.ParseFloat(rest, 64)
		}
		if rest, ok := strings.CutPrefix(scanner.Text(), "go_memstats_heap_inuse_bytes "); ok {
			heap, err = strconv.ParseFloat(rest, 64)
		}
	}
	return count, heap, err
}

// figures are metrics by name.
type figures map[string]float64

// memory adds what a side uses at this moment. No name means that there is but one
// moment.
func (f figures) memory(s *side, moment string) error {
	u, err := s.usage()
	if err != nil {
		return err
	}
	if moment != "" {
		moment = "-" + moment
	}
	f[s.name+moment+"-rss-MiB"] = float64(u.rss) / mebibyte
	f[s.name+moment+"-anon-MiB"] = float64(u.anonymous) / mebibyte
	f[s.name+"-peak-MiB"] = float64(u.peak) / mebibyte
	return nil
}

// disk adds what a side's data take.
func (f figures) disk(s *side) error {
	total, logs, err := s.onDisk()
	f[s.name+"-disk-MiB"] = float64(total) / mebibyte
	f[s.name+"-wal-MiB"] = float64(logs) / mebibyte
	return err
}

// runtime adds what Go says of the API server.
func (f figures) runtime(ctx context.Context, s *side) error {
	count, heap, err := s.goroutines(ctx)
	f[s.name+"-goroutines"] = count
	f[s.name+"-heap-MiB"] = heap / mebibyte
	return err
}

// once reports figures that are measured once, however often the benchmark is run
// to fill its time.
func once(b *testing.B, measure func(ctx context.Context) (figures, error)) {
	b.Helper()
	figures, ok := measured[b.Name()]
	if !ok {
		var err error
		if figures, err = measure(b.Context()); err != nil {
			b.Fatal(err)
		}
		measured[b.Name()] = figures
	}
	b.ReportMetric(0, "ns/op")
	for name, value := range figures {
		b.ReportMetric(value, name)
	}
}

// measured are the figures by the name of the benchmark.
var measured = map[string]figures{}

// settle leaves servers alone.
func settle(ctx context.Context) error {
	select {
	case <-time.After(*quiet):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
