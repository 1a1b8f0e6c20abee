// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	// workers are few: their requests are served by the same process.
	workers = 4
	// discoveryPeriod is how soon a new custom resource is followed.
	discoveryPeriod = 30 * time.Second
	// A job that fails is repeated after a time, which grows.
	retrySoonest, retryLatest = 20 * time.Millisecond, 15 * time.Second
	// requestTimeout bounds each request.
	requestTimeout = 30 * time.Second
)

// Config says what to work on.
type Config struct {
	// Client speaks with the server, as one who may do everything.
	Client *rest.Config
	// Mirrored says whether an owner is a copy of one in the cloud, where its
	// dependents are collected. They are then left alone here. Nil means that
	// there are no copies.
	Mirrored func(owner *metav1.PartialObjectMetadata) bool
}

// Collector completes deletions.
type Collector struct {
	metadata   metadata.Interface
	namespaces kubernetes.Interface
	discovery  discovery.DiscoveryInterface

	catalog catalog
	graph   *graph
	queue   workqueue.TypedRateLimitingInterface[job]

	mu       sync.Mutex // guards monitors
	monitors map[schema.GroupVersionResource]*monitor
}

// New returns a Collector, to be run once.
func New(config Config) (*Collector, error) {
	client := rest.CopyConfig(config.Client)
	client.QPS, client.Burst = -1, -1 // the queue is the limit
	client.Timeout = 0                // watches last; other requests have one each
	objects, err := metadata.NewForConfig(client)
	if err != nil {
		return nil, fmt.Errorf("making a client of metadata: %w", err)
	}
	typed, err := kubernetes.NewForConfig(client)
	if err != nil {
		return nil, fmt.Errorf("making a client of namespaces: %w", err)
	}
	c := &Collector{
		metadata: objects, namespaces: typed, discovery: typed.Discovery(),
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[job](retrySoonest, retryLatest),
			workqueue.TypedRateLimitingQueueConfig[job]{Name: "collect"}),
		monitors: map[schema.GroupVersionResource]*monitor{},
	}
	c.graph = newGraph(c.queue.Add, config.Mirrored)
	return c, nil
}

// Run works until ctx is done and returns when all that it has started has ended.
// One Collector is to run in a pool at a time; two would get into each other's way
// but do no harm.
func (c *Collector) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { c.follow(ctx) })
	for range workers {
		running.Go(func() {
			for c.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
	running.Wait()
}

// follow watches what the server serves.
func (c *Collector) follow(ctx context.Context) {
	logger := klog.FromContext(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.stopMonitors()
			return
		case <-timer.C:
		}
		wait := discoveryPeriod
		if err := c.refresh(ctx); err != nil {
			logger.Info("Could not find out what there is to watch, trying again", "err", err)
			wait = time.Second
		}
		timer.Reset(wait)
	}
}

// refresh starts and stops monitors after what is served.
func (c *Collector) refresh(ctx context.Context) error {
	found, err := discover(c.discovery)
	if err != nil {
		return err
	}
	c.catalog.set(found)
	c.mu.Lock()
	defer c.mu.Unlock()
	served := map[schema.GroupVersionResource]bool{}
	for _, r := range found {
		if !r.watched() {
			continue
		}
		served[r.GroupVersionResource] = true
		if c.monitors[r.GroupVersionResource] == nil {
			c.monitors[r.GroupVersionResource] = startMonitor(ctx, c.metadata, r, c.graph)
		}
	}
	for name, m := range c.monitors {
		if !served[name] {
			m.stop()
			c.graph.drop(m.resource)
			delete(c.monitors, name)
		}
	}
	return nil
}

func (c *Collector) stopMonitors() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.monitors {
		m.stop()
	}
}

// synced says whether all objects are known.
func (c *Collector) synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.monitors {
		if !m.synced.Load() {
			return false
		}
	}
	return len(c.monitors) > 0
}

// work does the next job. It returns false when there will be no more.
func (c *Collector) work(ctx context.Context) bool {
	j, end := c.queue.Get()
	if end {
		return false
	}
	defer c.queue.Done(j)
	done, err := c.do(ctx, j)
	if err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).V(2).Info("Could not complete a deletion, trying again", "uid", j.uid, "namespace", j.name, "err", err)
	}
	if done && err == nil {
		c.queue.Forget(j)
	} else {
		c.queue.AddRateLimited(j)
	}
	return true
}

// do does a job. It is to be repeated if it is not done.
func (c *Collector) do(ctx context.Context, j job) (done bool, err error) {
	switch j.what {
	case checkOwners:
		return c.checkOwners(ctx, j.uid)
	case awaitDependents:
		return c.awaitDependents(ctx, j.uid)
	case orphanDependents:
		return c.orphanDependents(ctx, j.uid)
	case scanForNode:
		return c.scanForNode(ctx, j.uid)
	case emptyNamespace:
		return c.emptyNamespace(ctx, j.name)
	default:
		return true, nil
	}
}
