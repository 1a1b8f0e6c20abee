// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// laidDown records the files that the spec brought, with their content.
const laidDown = "/var/lib/steppe-files.json"

// hostOwned are files that every host has, so that what the machine sees at
// its first boot is the host's and must be replaced.
var hostOwned = map[string]bool{"/etc/machine-id": true}

// layDown writes the spec's files. One that the machine changed or removed
// since stays as the machine left it, like a configuration file of a Debian
// package: a program that was installed on the machine may have rewritten it.
func layDown(files []File, recordPath string) error {
	record := map[string]string{}
	content, err := os.ReadFile(recordPath)
	if err == nil {
		err = json.Unmarshal(content, &record)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the record of the machine's files: %w", err)
	}
	for _, f := range files {
		if changedByMachine(f.Path, record) {
			continue
		}
		if err := f.write(); err != nil {
			return err
		}
		record[f.Path] = f.Content
	}
	if content, err = json.Marshal(record); err != nil {
		return err
	}
	return os.WriteFile(recordPath, content, 0o600)
}

// changedByMachine tells whether the file is no longer what was laid down. A
// file that was there before counts as the machine's, too.
func changedByMachine(path string, record map[string]string) bool {
	before, known := record[path]
	now, err := os.ReadFile(path)
	if err != nil {
		return known // removed
	}
	if !known {
		return !hostOwned[path]
	}
	return !bytes.Equal(now, []byte(before))
}

func (f File) write() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	mode := f.Mode
	if mode == 0 {
		mode = 0o644
	}
	return os.WriteFile(f.Path, []byte(f.Content), mode)
}
