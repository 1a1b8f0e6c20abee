// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nodepool is the controller of NodePools. A node is in a pool by its
// label apps.openyurt.io/nodepool; from there, two controllers with one concern
// each do the work and share nothing but the watches: attributes brings the
// pool's labels, annotations and taints to its nodes, status counts the nodes.
package nodepool

import (
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/steppe-io/steppe/pkg/controller/nodepool/attributes"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/status"
)

// Options of the controller.
type Options struct {
	// Workers is how many nodes, and how many pools, are worked on at a time.
	Workers int
	// SyncTimeout is how long to wait for the first lists of nodes and pools
	// before the manager gives up.
	SyncTimeout time.Duration
}

// Add adds the controller to a manager, whose cache should be configured by
// watchcache.Options. NodePools must be served already.
func Add(mgr manager.Manager, opts Options) error {
	if err := attributes.Add(mgr, opts.Workers, opts.SyncTimeout); err != nil {
		return fmt.Errorf("add controller %s: %w", attributes.Name, err)
	}
	if err := status.Add(mgr, opts.Workers, opts.SyncTimeout); err != nil {
		return fmt.Errorf("add controller %s: %w", status.Name, err)
	}
	return nil
}
