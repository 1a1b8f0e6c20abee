// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// servedPoll is how often a kind that is not served is looked for again. At
// installation, yurt-apiserver comes up while we wait, so the first looks come
// soon after each other.
var servedPoll = wait.Backoff{Duration: time.Second, Factor: 1.5, Jitter: 0.2, Steps: 6, Cap: 10 * time.Second}

// starter adds the selected controllers to the running manager, each as soon as
// the kinds that it needs are served. A kind can be late by any time: its
// server may be installed after us.
type starter struct {
	mgr      manager.Manager
	api      discovery.ServerResourcesInterface
	options  *Options
	selected []registration

	mu sync.Mutex
	// pending are the controllers that could not work yet, even with the Lease,
	// with the reason.
	pending map[string]string
}

func newStarter(mgr manager.Manager, options *Options) (*starter, error) {
	api, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("set up discovery: %w", err)
	}
	s := &starter{mgr: mgr, api: api, options: options, pending: map[string]string{}}
	for _, c := range controllers {
		if enabled(c.name, options.Controllers) {
			s.selected = append(s.selected, c)
			s.pending[c.name] = "not started"
		}
	}
	return s, nil
}

// NeedLeaderElection makes the manager start this in every replica. The
// controllers themselves do wait for the Lease.
func (s *starter) NeedLeaderElection() bool { return false }

// Start adds the controllers and returns when the last one has its cache.
func (s *starter) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error)
	for _, c := range s.selected {
		go func() {
			err := s.start(ctx, c)
			if err != nil {
				cancel()
			}
			results <- err
		}()
	}
	var errs []error
	for range s.selected {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// start returns nil also when the context ends first.
func (s *starter) start(ctx context.Context, c registration) error {
	logger := klog.LoggerWithValues(klog.FromContext(ctx), "controller", c.name)
	if !s.waitServed(klog.NewContext(ctx, logger), c) {
		return nil
	}
	if err := c.add(s.mgr, s.options); err != nil {
		return fmt.Errorf("add controller %s: %w", c.name, err)
	}
	s.setPending(c.name, "filling the cache")
	for _, object := range c.watches {
		if _, err := s.mgr.GetCache().GetInformer(ctx, object); err != nil && ctx.Err() == nil {
			return fmt.Errorf("fill the cache for controller %s: %w", c.name, err)
		}
	}
	if ctx.Err() == nil {
		s.setPending(c.name, "")
		logger.Info("Filled the cache of controller")
	}
	return nil
}

// waitServed returns true when everything that a controller needs is served, and
// false when the context ends first.
func (s *starter) waitServed(ctx context.Context, c registration) bool {
	logger := klog.FromContext(ctx)
	backoff := servedPoll
	waiting := false
	for {
		err := s.served(c)
		if err == nil {
			if waiting {
				logger.Info("Found the API that the controller needs")
			}
			return true
		}
		if !waiting {
			logger.Info("Waiting for the API that the controller needs", "err", err)
			waiting = true
		}
		s.setPending(c.name, "waiting for an API: "+err.Error())
		select {
		case <-ctx.Done():
			return false
		case <-time.After(backoff.Step()):
		}
	}
}

// served returns nil if all kinds that a controller needs are served.
func (s *starter) served(c registration) error {
	for _, kind := range c.needs {
		list, err := s.api.ServerResourcesForGroupVersion(kind.GroupVersion().String())
		if err != nil {
			return fmt.Errorf("look for %s: %w", kind.GroupVersion(), err)
		}
		if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind.Kind }) {
			return fmt.Errorf("%s has no %s", kind.GroupVersion(), kind.Kind)
		}
	}
	return nil
}

func (s *starter) setPending(name, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == "" {
		delete(s.pending, name)
	} else {
		s.pending[name] = reason
	}
}

// ready is the readiness check: it fails while a controller could not work yet,
// had this replica the Lease.
func (s *starter) ready(*http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var reasons []string
	for name, reason := range s.pending {
		reasons = append(reasons, name+": "+reason)
	}
	if len(reasons) > 0 {
		return errors.New(strings.Join(reasons, "; "))
	}
	return nil
}
