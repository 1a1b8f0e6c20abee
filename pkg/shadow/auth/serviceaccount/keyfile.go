// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// keyFileInterval is how often a KeyFile may be read, whatever is asked of
	// it. It bounds for how long a replaced key is still accepted.
	keyFileInterval = 5 * time.Second

	// maxKeyFileBytes is room for hundreds of keys.
	maxKeyFileBytes = 1 << 20
)

// KeyFile has the public keys of a PEM file, and follows its changes. It is read
// again when keys are asked for, so nothing runs in between. A file that cannot
// be read or parsed changes nothing: the keys known before stay.
type KeyFile struct {
	path  string
	clock clock.PassiveClock

	mu      sync.Mutex // guards the fields below
	data    []byte
	keys    []PublicKey
	checked time.Time
	trouble string // why the last read failed, so that it is logged once
}

// NewKeyFile reads the file, which must have keys.
func NewKeyFile(path string) (*KeyFile, error) {
	return newKeyFile(path, clock.RealClock{})
}

func newKeyFile(path string, clock clock.PassiveClock) (*KeyFile, error) {
	f := &KeyFile{path: path, clock: clock}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("reading the public keys of service account tokens: %w", err)
	}
	return f, nil
}

// Keys returns the keys with that ID, all if it is empty.
func (f *KeyFile) Keys(ctx context.Context, id string) []PublicKey {
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := f.clock.Since(f.checked); age >= keyFileInterval || age < 0 {
		f.refresh(ctx)
	}
	return withID(f.keys, id)
}

// refresh reads the file and logs trouble when it begins, changes or ends.
func (f *KeyFile) refresh(ctx context.Context) {
	before := f.data
	trouble := ""
	err := f.read()
	if err != nil {
		trouble = err.Error()
	}
	logger := klog.FromContext(ctx).WithValues("path", f.path)
	switch {
	case err != nil && trouble != f.trouble:
		logger.Info("Public keys of service account tokens cannot be read, those known stay", "err", err)
	case err == nil && (f.trouble != "" || !bytes.Equal(before, f.data)):
		logger.V(2).Info("Loaded public keys of service account tokens", "keys", len(f.keys))
	}
	f.trouble = trouble
}

func (f *KeyFile) read() error {
	f.checked = f.clock.Now()
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if info.Size() > maxKeyFileBytes {
		return fmt.Errorf("%s has %d bytes, more than the %d that are allowed", f.path, info.Size(), maxKeyFileBytes)
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	if f.keys != nil && bytes.Equal(data, f.data) {
		return nil
	}
	keys, err := parsePublicKeys(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.data, f.keys = data, keys
	return nil
}
