// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Checkout returns the root of the Steppe checkout around the working
// directory. Tests run in their package's folder, so this works for them too.
func Checkout() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(content, []byte("module github.com/steppe-io/steppe\n")) {
			return dir, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of github.com/steppe-io/steppe: run this from the checkout", start)
		}
	}
}

func findSource() (string, error) {
	root, err := Checkout()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "hack", "binaries"), nil
}
