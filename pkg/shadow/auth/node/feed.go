// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
)

// Informers are what a Graph learns from. Pods may be stripped by StripPod. Without
// an informer (nil) the graph knows no objects of the kind, so kubelets cannot
// reach them.
type Informers struct {
	Pods              cache.SharedIndexInformer
	PersistentVolumes cache.SharedIndexInformer
	VolumeAttachments cache.SharedIndexInformer
	ResourceSlices    cache.SharedIndexInformer
}

// NewGraph returns a graph that follows these informers for as long as they run.
// The caller starts them, before or after. It fails if one has been stopped.
func NewGraph(informers Informers) (*Graph, error) {
	g := newGraph()
	for _, f := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{informers.Pods, handler(g.setPod, func(namespace, name string) { g.deletePod(podKey{namespace, name}) })},
		{informers.PersistentVolumes, handler(g.setVolume, func(_, name string) { g.deleteVolume(name) })},
		{informers.VolumeAttachments, handler(g.setAttachment, func(_, name string) { g.deleteAttachment(name) })},
		{informers.ResourceSlices, handler(g.setSlice, func(_, name string) { g.deleteSlice(name) })},
	} {
		if f.informer == nil {
			continue
		}
		registration, err := f.informer.AddEventHandler(f.handler)
		if err != nil {
			return nil, fmt.Errorf("follow objects for the node graph: %w", err)
		}
		g.synced = append(g.synced, registration.HasSynced)
	}
	return g, nil
}

// handler calls set with what was added, changed or synced again, and remove with
// the names of what was deleted. A deletion that the informer missed has no more
// than a name for sure.
func handler[T runtime.Object](set func(T), remove func(namespace, name string)) cache.ResourceEventHandler {
	setAny := func(o any) {
		if typed, ok := o.(T); ok {
			set(typed)
			return
		}
		utilruntime.HandleError(fmt.Errorf("the node graph got a %T from an informer of other objects", o))
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    setAny,
		UpdateFunc: func(_, o any) { setAny(o) },
		DeleteFunc: func(o any) {
			name, err := cache.DeletionHandlingObjectToName(o)
			if err != nil {
				utilruntime.HandleError(fmt.Errorf("the node graph cannot tell what was deleted: %w", err))
				return
			}
			remove(name.Namespace, name.Name)
		},
	}
}
