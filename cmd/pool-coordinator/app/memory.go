// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// gcPercent has the heap grow by half before it is collected, not to its double: a
// site's machine has memory to spare for pods, and processor time to spare in
// between.
const gcPercent = 50

// saveMemory makes the program small rather than fast, unless the environment says
// how its garbage is to be collected.
func saveMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// releaseStart gives back the memory that only the start has needed: garbage, and
// the pages of the program that it has touched. They stay in the page cache, as long
// as nobody needs the memory more, and come back when they are touched again.
func releaseStart(logger klog.Logger) {
	debug.FreeOSMemory()
	if err := releaseProgram(); err != nil {
		logger.Info("Could not give back memory after the start", "err", err)
	}
}

// releaseProgram unmaps the pages of the program's file that are only read.
func releaseProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	file, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// 00400000-01a2b000 r-xp 00000000 fd:00 1234   /path/of/program
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || strings.Contains(fields[1], "w") || strings.Join(fields[5:], " ") != program {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			return fmt.Errorf("reading /proc/self/maps: %w", err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise of %s: %w", fields[0], errno)
		}
	}
	return lines.Err()
}
