// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package testcluster

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	dirPrefix = "steppe-testcluster-"
	// lockGrace is far more than lies between the making of a folder and its
	// lock.
	lockGrace = time.Minute
)

// makeDir makes a temporary folder, and removes those of test processes that
// were killed: each holds some 100 MB. A folder is locked for as long as its
// process lives.
func makeDir() (dir string, remove func(), err error) {
	removeAbandoned()
	if dir, err = os.MkdirTemp("", dirPrefix); err != nil {
		return "", nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		lock.Close()
	}, nil
}

func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*")) // fails for bad patterns only
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < lockGrace {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir) // another user's stays
			lock.Close()
		}
	}
}

// lockDir fails if another process has locked the folder.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
