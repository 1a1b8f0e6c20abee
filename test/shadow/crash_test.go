// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/steppe-io/steppe/test/pool"
)

// kills is how often the coordinator is killed.
func kills() int {
	switch {
	case testing.Short():
		return 3
	case underRace:
		return 10
	default:
		return 100
	}
}

// TestKilledWhileWriting kills the coordinator in the middle of writes of many
// kinds, again and again. After each kill every acknowledged write is there, and
// what was not acknowledged is there as a whole or not at all.
func TestKilledWhileWriting(t *testing.T) {
	ctx := t.Context()
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Kill() }()
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var writers []*writer
	var seen *observer
	var highest uint64
	var slowest time.Duration
	for kill := range kills() + 1 {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		took, err := p.WaitReady(ctx)
		if err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, took)
		if kill == 0 {
			writers = newWriters(t, client)
			seen = newObserver(client)
		}
		for _, w := range writers {
			highest = max(highest, w.check(ctx, t, kill))
		}
		highest = seen.check(ctx, t, highest)
		if t.Failed() {
			t.Fatalf("after kill %d; the coordinator printed:\n%s", kill, tail(p.Log()))
		}
		if kill < kills() {
			writeUntilKilled(ctx, t, p, writers, seen)
		}
	}
	acknowledged, unknown := 0, 0
	for _, w := range writers {
		if w.acknowledged == 0 {
			t.Errorf("no write of %s was acknowledged", w.resource.Resource)
		}
		acknowledged += w.acknowledged
		unknown += w.unknown
	}
	if unknown == 0 {
		t.Error("no kill hit a write")
	}
	t.Logf("%d kills, %d acknowledged writes, %d cut short, of which %d were done; watches went on %d times and were refused %d times; ready within %s",
		kills(), acknowledged, unknown, doneOf(writers), seen.resumed, seen.expired, slowest.Round(time.Millisecond))
}

func doneOf(writers []*writer) (n int) {
	for _, w := range writers {
		n += w.done
	}
	return n
}

// writeUntilKilled has all writers write, for a moment.
func writeUntilKilled(ctx context.Context, t *testing.T, p *pool.Pool, writers []*writer, seen *observer) {
	t.Helper()
	round, cancel := context.WithCancel(ctx)
	defer cancel()
	killed := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { seen.watch(round) })
	for _, w := range writers {
		all.Go(func() { w.write(round, t, killed) })
	}
	time.Sleep(time.Duration(30+rand.IntN(170)) * time.Millisecond) // any moment will do
	close(killed)
	p.Kill()
	// Requests that nobody will answer any more fail by themselves.
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		cancel()
		<-ended
	}
}

// objectsPerWriter is how many objects each writer has, which are its own.
const objectsPerWriter = 6

// writer writes objects of one kind, one write after the other, and remembers what
// it was told.
type writer struct {
	kind
	client dynamic.ResourceInterface

	next    int // numbers values
	objects map[string]*known

	acknowledged, unknown, done int
}

// known is what a writer knows of an object.
type known struct {
	// last is the object as the server has confirmed it, nil if there is none.
	last *unstructured.Unstructured
	// pending is the write that was not answered, nil if there is none.
	pending *pending
}

// pending is a write whose outcome is unknown.
type pending struct {
	deleted bool
	value   string
}

func newWriters(t *testing.T, client dynamic.Interface) []*writer {
	t.Helper()
	prepareKinds(t, client)
	var writers []*writer
	for _, k := range kinds {
		w := &writer{kind: k, client: k.of(client), objects: map[string]*known{}}
		for i := range objectsPerWriter {
			w.objects[fmt.Sprint("object-", i)] = &known{}
		}
		writers = append(writers, w)
	}
	return writers
}

// write writes until it fails, which it may only when the coordinator is killed.
func (w *writer) write(ctx context.Context, t *testing.T, killed <-chan struct{}) {
	for {
		name := fmt.Sprint("object-", rand.IntN(objectsPerWriter))
		object := w.objects[name]
		w.next++
		value := fmt.Sprintf("%s-%d", w.resource.Resource, w.next)
		intent := &pending{value: value}
		var got *unstructured.Unstructured
		var err error
		switch {
		case object.last == nil:
			got, err = w.client.Create(ctx, w.newObject(name, value), metav1.CreateOptions{})
		case rand.IntN(5) == 0, object.last.GetDeletionTimestamp() != nil:
			intent.deleted = true
			err = w.client.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: new(object.last.GetUID())}})
		default:
			got, err = w.update(ctx, name, value, object.last)
		}
		if err != nil {
			w.unknown++
			object.pending = intent
			select {
			case <-killed:
			default:
				t.Errorf("%s %s: a write failed while the coordinator was alive: %v", w.resource.Resource, name, err)
			}
			return
		}
		w.acknowledged++
		object.last = got
		select {
		case <-killed:
			return
		default:
		}
	}
}

// update writes in one of the ways that there are.
func (w *writer) update(ctx context.Context, name, value string, last *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if rand.IntN(2) == 0 {
		applied := w.newObject(name, value)
		return w.client.Apply(ctx, name, applied, metav1.ApplyOptions{FieldManager: "writer", Force: true})
	}
	object := last.DeepCopy()
	w.set(object, value)
	return w.client.Update(ctx, object, metav1.UpdateOptions{})
}

// check compares what is there with what the writer knows, and returns the highest
// resourceVersion of what is there.
func (w *writer) check(ctx context.Context, t *testing.T, kill int) (highest uint64) {
	t.Helper()
	list, err := w.client.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Errorf("kill %d: listing %s: %v", kill, w.resource.Resource, err)
		return 0
	}
	there := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		there[list.Items[i].GetName()] = &list.Items[i]
		if _, ok := w.objects[list.Items[i].GetName()]; !ok && !w.shared {
			t.Errorf("kill %d: %s %s was never written", kill, w.resource.Resource, list.Items[i].GetName())
		}
		highest = max(highest, version(&list.Items[i]))
	}
	for name, object := range w.objects {
		if err := w.compare(object, there[name]); err != nil {
			t.Errorf("kill %d: %s %s: %v", kill, w.resource.Resource, name, err)
		}
		if object.pending != nil && !same(object.last, there[name]) {
			w.done++
		}
		object.last, object.pending = there[name], nil
	}
	return highest
}

func (w *writer) compare(object *known, got *unstructured.Unstructured) error {
	if got != nil {
		if err := w.whole(got); err != nil {
			return err
		}
	}
	if same(object.last, got) {
		return nil // with a write that was cut short: before it was done
	}
	p := object.pending
	switch {
	case p == nil && got == nil:
		return fmt.Errorf("value %s was acknowledged and is lost", w.value(object.last))
	case p == nil && object.last == nil:
		return fmt.Errorf("it was deleted, and is back with value %s", w.value(got))
	case p == nil:
		return fmt.Errorf("version %s with value %s was acknowledged, there is version %s with value %s",
			object.last.GetResourceVersion(), w.value(object.last), got.GetResourceVersion(), w.value(got))
	case got == nil && !p.deleted:
		return fmt.Errorf("value %s was acknowledged, value %s was not, and there is nothing", w.value(object.last), p.value)
	case got == nil:
		return nil
	case p.deleted && w.graceful && got.GetDeletionTimestamp() != nil && got.GetUID() == object.last.GetUID():
		return nil
	case p.deleted:
		return fmt.Errorf("it was to be deleted with value %s, and has value %s", w.value(object.last), w.value(got))
	case w.value(got) != p.value:
		return fmt.Errorf("value %s was written, there is %s", p.value, w.value(got))
	case object.last == nil:
		return nil
	case got.GetUID() != object.last.GetUID():
		return fmt.Errorf("its uid was %s and is %s", object.last.GetUID(), got.GetUID())
	case version(got) <= version(object.last):
		return fmt.Errorf("its version was %s and is %s", object.last.GetResourceVersion(), got.GetResourceVersion())
	}
	return nil
}

// same tells whether both are one version of one object, or nothing.
func same(a, b *unstructured.Unstructured) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}

func version(object interface{ GetResourceVersion() string }) uint64 {
	v, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		panic(errors.Join(errors.New("a resourceVersion is no number"), err))
	}
	return v
}

// tail returns the end of a log.
func tail(log string) string {
	const most = 8000
	return log[max(0, len(log)-most):]
}
