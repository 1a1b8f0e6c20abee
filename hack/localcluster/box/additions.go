// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package box

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// additions are the processes that a spec adds to those that the machine was made
// for. They come and go while it is on.
type additions struct {
	specPath string
	to       *supervise.Supervisor

	mu      sync.Mutex // one sync at a time
	present []supervise.Process
}

// sync makes the supervisor keep what the spec adds, and nothing that it added
// before.
func (a *additions) sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec, err := ReadSpec(a.specPath)
	if err != nil {
		return err
	}
	kept, gone := split(a.present, spec.Added)
	a.present = kept
	for _, p := range gone {
		if err := a.to.Remove(p.Name); err != nil {
			return fmt.Errorf("remove the process %s: %w", p.Name, err)
		}
	}
	_, fresh := split(spec.Added, kept)
	for _, p := range fresh {
		if err := a.to.Add(p); err != nil {
			return fmt.Errorf("add the process %s: %w", p.Name, err)
		}
		a.present = append(a.present, p)
	}
	return nil
}

// split tells the processes that are among others, exactly, from those that are
// not.
func split(processes, others []supervise.Process) (among, rest []supervise.Process) {
	for _, p := range processes {
		found := false
		for _, other := range others {
			found = found || reflect.DeepEqual(p, other)
		}
		if found {
			among = append(among, p)
		} else {
			rest = append(rest, p)
		}
	}
	return among, rest
}
