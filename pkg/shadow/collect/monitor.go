// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

// monitor tells the graph about the objects of one resource.
type monitor struct {
	resource *resource
	graph    *graph
	synced   atomic.Bool
	cancel   context.CancelFunc
	done     chan struct{}
}

var _ cache.ReflectorStore = &monitor{}

// startMonitor follows a resource until it is stopped.
func startMonitor(ctx context.Context, client metadata.Interface, r *resource, g *graph) *monitor {
	ctx, cancel := context.WithCancel(ctx)
	m := &monitor{resource: r, graph: g, cancel: cancel, done: make(chan struct{})}
	objects := client.Resource(r.GroupVersionResource)
	source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, options)
		},
	}, client)
	reflector := cache.NewReflectorWithOptions(source, &metav1.PartialObjectMetadata{}, m, cache.ReflectorOptions{Name: "collect " + r.Resource})
	go func() {
		defer close(m.done)
		reflector.RunWithContext(ctx)
	}()
	return m
}

// stop returns when the monitor has ended.
func (m *monitor) stop() {
	m.cancel()
	<-m.done
}

// Add takes in a new object.
func (m *monitor) Add(obj any) error { return m.Update(obj) }

// Update takes in a changed object.
func (m *monitor) Update(obj any) error {
	o, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return fmt.Errorf("not an object's metadata: %T", obj)
	}
	m.graph.observe(m.resource, o)
	return nil
}

// Delete takes in that an object has gone.
func (m *monitor) Delete(obj any) error {
	o, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return fmt.Errorf("not an object's metadata: %T", obj)
	}
	m.graph.remove(o)
	return nil
}

// Replace takes in all objects.
func (m *monitor) Replace(list []any, _ string) error {
	all := make([]*metav1.PartialObjectMetadata, len(list))
	for i := range list {
		o, ok := list[i].(*metav1.PartialObjectMetadata)
		if !ok {
			return fmt.Errorf("not an object's metadata: %T", list[i])
		}
		all[i] = o
	}
	m.graph.replace(m.resource, all)
	m.synced.Store(true)
	return nil
}

// Resync does nothing: jobs that fail are repeated.
func (m *monitor) Resync() error { return nil }
