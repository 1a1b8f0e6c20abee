// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// wantedLimits are the host-wide limits that several kubelets and containerds
// together exceed where a distribution keeps the kernel's defaults.
var wantedLimits = map[string]int{
	"fs/inotify/max_user_instances": 8192,
	"fs/inotify/max_user_watches":   524288,
}

// sysRoot is where settings are; tests replace it.
var sysRoot = "/proc/sys"

func limitsPath() string { return filepath.Join(stateRoot, "host-limits.json") }

// raiseLimits raises the host's limits that are too low, and records the old
// values. The host's lock is held.
func raiseLimits() error {
	old, err := readLimits()
	if err != nil {
		return err
	}
	for name, want := range wantedLimits {
		now, err := readSetting(name)
		if err != nil {
			return err
		}
		if now >= want {
			continue
		}
		if _, known := old[name]; !known {
			old[name] = now
		}
	}
	if len(old) == 0 {
		return nil
	}
	content, err := json.Marshal(old)
	if err != nil {
		return err
	}
	// Recorded before anything is changed.
	if err := os.WriteFile(limitsPath(), content, 0o600); err != nil {
		return err
	}
	for name := range old {
		if err := writeSetting(name, wantedLimits[name]); err != nil {
			return fmt.Errorf("raise a limit of the host: %w", err)
		}
	}
	return nil
}

// restoreLimits undoes raiseLimits. The host's lock is held and no cluster is
// left.
func restoreLimits() error {
	old, err := readLimits()
	if err != nil {
		return err
	}
	for name, value := range old {
		if err := writeSetting(name, value); err != nil {
			return fmt.Errorf("restore a limit of the host: %w", err)
		}
	}
	if err := os.Remove(limitsPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func readLimits() (map[string]int, error) {
	old := map[string]int{}
	content, err := os.ReadFile(limitsPath())
	if errors.Is(err, os.ErrNotExist) {
		return old, nil
	}
	if err != nil {
		return nil, err
	}
	return old, json.Unmarshal(content, &old)
}

func readSetting(name string) (int, error) {
	content, err := os.ReadFile(filepath.Join(sysRoot, name))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(content)))
}

func writeSetting(name string, value int) error {
	return os.WriteFile(filepath.Join(sysRoot, name), []byte(strconv.Itoa(value)), 0o644)
}

// reserveIndex records a new cluster with a network that is free.
func reserveIndex(ctx context.Context, s *state) error {
	unlock, err := lockHost(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	names, err := clusterNames()
	if err != nil {
		return err
	}
	var used []int
	for _, name := range names {
		if other, err := readState(name); err == nil {
			used = append(used, other.Index)
		}
	}
	taken, err := hostPrefixes()
	if err != nil {
		return err
	}
	if s.Index, err = chooseIndex(used, taken); err != nil {
		return err
	}
	return s.write()
}
