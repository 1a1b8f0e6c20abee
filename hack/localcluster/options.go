// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// defaultCount is the number of edge nodes, and of pools, of a new cluster.
const defaultCount = 2

// Options say what Up brings up.
type Options struct {
	// Name is the cluster's; empty means DefaultName.
	Name string
	// Nodes is the number of edge nodes, Pools the number of node pools that
	// they are spread over. Zero means 2, or for a cluster that exists what
	// it has.
	Nodes, Pools int
	// SkipInstall leaves the cluster without Steppe.
	SkipInstall bool
	// NodeMonitorGracePeriod is how long the controller manager waits for a
	// silent node; zero leaves Kubernetes' default of 50 s.
	NodeMonitorGracePeriod time.Duration
	// Checkout is the folder that Steppe is built and installed from; empty
	// means that around the working directory.
	Checkout string
	// Progress receives a line per step. Nil means none.
	Progress io.Writer
}

func (o *Options) complete() error {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Checkout == "" {
		var err error
		if o.Checkout, err = binaries.Checkout(); err != nil {
			return err
		}
	}
	return errors.Join(validateName(o.Name), checkCount("nodes", o.Nodes), checkCount("pools", o.Pools))
}

func checkCount(what string, n int) error {
	if n < 0 || n > MaxNodes {
		return fmt.Errorf("the number of %s must be from 1 to %d, not %d", what, MaxNodes, n)
	}
	return nil
}

// record makes the cluster's record or changes it to what is asked for.
func (o *Options) record(ctx context.Context) (*Cluster, error) {
	s, err := readState(o.Name)
	isNew := errors.Is(err, ErrNotExist)
	if err != nil && !isNew {
		return nil, err
	}
	if isNew {
		s = state{Name: o.Name, Nodes: defaultCount, Pools: defaultCount}
	}
	if o.Nodes > 0 {
		s.Nodes = o.Nodes
	}
	if o.Pools > 0 {
		s.Pools = o.Pools
	}
	s.NodeMonitorGracePeriod = o.NodeMonitorGracePeriod
	if isNew {
		err = reserveIndex(ctx, &s)
	} else {
		err = s.write()
	}
	return &Cluster{state: s}, err
}
