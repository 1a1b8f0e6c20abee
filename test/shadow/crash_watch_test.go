// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// observer follows objects by watches, as an informer does, over the lives of the
// server. It watches one resource that the server keeps in memory, and one that it
// does not.
type observer struct {
	views []*view

	// resumed and expired count what became of watches from a version before a
	// kill.
	resumed, expired int
}

// view is what an observer has seen of a resource.
type view struct {
	kind
	client dynamic.ResourceInterface

	versions map[string]string // of objects, by name
	last     string            // resourceVersion of the list or of the last event
	trouble  []string
}

func newObserver(client dynamic.Interface) *observer {
	o := &observer{}
	for _, k := range kinds {
		if k.kind == "Secret" || k.kind == "Lease" {
			o.views = append(o.views, &view{kind: k, client: k.of(client)})
		}
	}
	return o
}

// watch follows until the context or the server ends.
func (o *observer) watch(ctx context.Context) {
	var all sync.WaitGroup
	for _, v := range o.views {
		all.Go(func() { _, _ = v.follow(ctx, "") }) // how it ends is of no interest
	}
	all.Wait()
}

// check has the views catch up, from where they were before the kill, and compares
// them with lists. It returns the highest version that there is.
func (o *observer) check(ctx context.Context, t *testing.T, highest uint64) uint64 {
	t.Helper()
	for _, v := range o.views {
		list, err := v.client.List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Error(err)
			return highest
		}
		if now := version(list); now < highest {
			t.Errorf("%s are at version %d, and %d was given before", v.resource.Resource, now, highest)
		} else {
			highest = now
		}
		if v.last == "" {
			v.relist(list)
			continue
		}
		catchUp, cancel := context.WithTimeout(ctx, 30*time.Second)
		expired, err := v.follow(catchUp, list.GetResourceVersion())
		cancel()
		switch {
		case err != nil:
			t.Errorf("watching %s from version %s: %v", v.resource.Resource, v.last, err)
		case expired:
			o.expired++
			v.relist(list)
		default:
			o.resumed++
			v.compare(t, list)
		}
		for _, trouble := range v.trouble {
			t.Errorf("%s: %s", v.resource.Resource, trouble)
		}
		v.trouble = nil
	}
	return highest
}

func (v *view) relist(list *unstructured.UnstructuredList) {
	v.versions = map[string]string{}
	for i := range list.Items {
		v.versions[list.Items[i].GetName()] = list.Items[i].GetResourceVersion()
	}
	v.last = list.GetResourceVersion()
}

// follow watches from the last version that was seen: for as long as it can, or
// until it has reached a version. It tells whether the version is too old.
func (v *view) follow(ctx context.Context, until string) (expired bool, _ error) {
	w, err := v.client.Watch(ctx, metav1.ListOptions{ResourceVersion: v.last, AllowWatchBookmarks: true})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer w.Stop()
	for !v.reached(until) {
		event, ok := <-w.ResultChan()
		if !ok {
			return false, ctx.Err()
		}
		if event.Type == watch.Error {
			err := apierrors.FromObject(event.Object)
			if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
				return true, nil
			}
			return false, err
		}
		v.note(event)
	}
	return false, nil
}

// reached tells whether all events up to a version have been seen. The version of
// a list may be one of another resource's write, of which no event tells: then the
// objects are what counts.
func (v *view) reached(until string) bool {
	if until == "" {
		return false
	}
	if v.last == until {
		return true
	}
	list, err := v.client.List(context.Background(), metav1.ListOptions{})
	if err != nil || len(list.Items) != len(v.versions) {
		return false
	}
	for i := range list.Items {
		if v.versions[list.Items[i].GetName()] != list.Items[i].GetResourceVersion() {
			return false
		}
	}
	return true
}

func (v *view) note(event watch.Event) {
	object := event.Object.(*unstructured.Unstructured)
	if before := (&unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"resourceVersion": v.last}}}); version(object) < version(before) ||
		version(object) == version(before) && event.Type != watch.Bookmark {
		v.trouble = append(v.trouble, "event of version "+object.GetResourceVersion()+" after version "+v.last)
	}
	v.last = object.GetResourceVersion()
	switch event.Type {
	case watch.Added, watch.Modified:
		if err := v.whole(object); err != nil {
			v.trouble = append(v.trouble, err.Error())
		}
		v.versions[object.GetName()] = object.GetResourceVersion()
	case watch.Deleted:
		delete(v.versions, object.GetName())
	}
}

func (v *view) compare(t *testing.T, list *unstructured.UnstructuredList) {
	t.Helper()
	for i := range list.Items {
		if name, got := list.Items[i].GetName(), list.Items[i].GetResourceVersion(); v.versions[name] != got {
			t.Errorf("%s %s is at version %s, and a watch that went on saw %q last", v.resource.Resource, name, got, v.versions[name])
		}
	}
	if len(v.versions) != len(list.Items) {
		t.Errorf("a watch that went on knows %d %s, there are %d", len(v.versions), v.resource.Resource, len(list.Items))
	}
}
