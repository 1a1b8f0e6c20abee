// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package unsynced keeps a mark on disk that says whether a pool may have changes
// that the cloud has not. Where there are none, a damaged database can be thrown
// away and filled anew; where there may be some, only a person can decide that. The
// mark lies beside the database, to be read when that cannot be.
package unsynced

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// explanation is in the file, for a person who finds it.
const explanation = "This pool may have changes that the cloud has not. While this file is here, a damaged database is not replaced.\n"

// Mark is the mark, by the path of its file.
type Mark string

// IsSet says whether there may be changes.
func (m Mark) IsSet() (bool, error) {
	_, err := os.Lstat(string(m))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Set sets the mark. It is on disk before Set returns, and must be before the first
// change that the cloud has not.
func (m Mark) Set() error {
	if set, err := m.IsSet(); set || err != nil {
		return err
	}
	file, err := os.OpenFile(string(m), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(explanation)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("marking that there may be changes the cloud has not: %w", err)
	}
	return syncDir(filepath.Dir(string(m)))
}

// Clear takes the mark away, once the cloud has all changes.
func (m Mark) Clear() error {
	if err := os.Remove(string(m)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(string(m)))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
