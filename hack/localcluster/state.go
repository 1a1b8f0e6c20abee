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
	"regexp"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// DefaultName is the cluster of `make up`.
	DefaultName = "steppe"
	// MaxNodes is how many edge nodes the address plan has room for.
	MaxNodes = 200
)

// stateRoot holds a folder per cluster; tests replace it.
var stateRoot = "/var/lib/steppe-local"

// ErrNotExist reports that there is no cluster of that name.
var ErrNotExist = errors.New("no such local cluster")

// state is what a cluster must remember. It is stored as state.json.
type state struct {
	Name string `json:"name"`
	// Index is the number in the cluster's addresses, see topology.go.
	Index int `json:"index"`
	Nodes int `json:"nodes"`
	Pools int `json:"pools"`
	// NodeMonitorGracePeriod is how long the controller manager waits for a
	// silent node; zero leaves Kubernetes' default.
	NodeMonitorGracePeriod time.Duration `json:"nodeMonitorGracePeriod,omitempty"`
	// Images maps the images that Steppe is installed from to the digests
	// that its pods were last told to run.
	Images map[string]string `json:"images,omitempty"`
}

var nameFormat = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// validateName keeps names fit for paths, control groups and namespaces. With
// dashes one cluster's names could begin like another's.
func validateName(name string) error {
	if !nameFormat.MatchString(name) {
		return fmt.Errorf("cluster name must be 1 to 12 lower-case letters and digits and begin with a letter, not %q", name)
	}
	return nil
}

func clusterDir(name string) string { return filepath.Join(stateRoot, name) }

func statePath(name string) string { return filepath.Join(clusterDir(name), "state.json") }

// readState returns ErrNotExist for a cluster that was never recorded.
func readState(name string) (state, error) {
	var s state
	content, err := os.ReadFile(statePath(name))
	if errors.Is(err, os.ErrNotExist) {
		return s, fmt.Errorf("%w: %s (see `localcluster up`)", ErrNotExist, name)
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", statePath(name), err)
	}
	return s, nil
}

func (s state) write() error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path := statePath(s.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(content, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// clusterNames returns the names of all clusters, also half-made ones.
func clusterNames() ([]string, error) {
	entries, err := os.ReadDir(stateRoot)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && validateName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// lockFile takes an exclusive lock, waiting for its holder. The holder may
// remove the file, which is then made again.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	var f *os.File
	err = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (locked bool, err error) {
		f, err = tryLock(path)
		return f != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for another localcluster command to end (%s): %w", path, err)
	}
	return func() { f.Close() }, nil
}

// tryLock returns the locked file, or nil if another process holds it.
func tryLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the folder was removed in between
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && sameFile(f, path) {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		err = nil
	}
	return nil, err
}

// sameFile tells whether the open file is still the one at path.
func sameFile(f *os.File, path string) bool {
	open, errOpen := f.Stat()
	now, errNow := os.Stat(path)
	return errOpen == nil && errNow == nil && os.SameFile(open, now)
}

// lockCluster keeps two commands from changing the same cluster. The lock lies
// beside the folder, because Down removes the folder.
func lockCluster(ctx context.Context, name string) (func(), error) {
	return lockFile(ctx, filepath.Join(stateRoot, "."+name+".lock"))
}

// lockHost guards what all clusters share: their numbers and the host's
// settings.
func lockHost(ctx context.Context) (func(), error) {
	return lockFile(ctx, filepath.Join(stateRoot, ".host.lock"))
}
