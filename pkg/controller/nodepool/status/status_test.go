// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// The tests of this file are about what a cache can do to the controller that a
// server cannot be made to do. What the server makes of the writes is tested in
// package nodepool.

// stubClient is a cache with one pool, or none, and a server that takes writes.
type stubClient struct {
	client.Client
	cached  *appsv1beta2.NodePool
	err     error // of the next write
	version int   // of the server
	writes  []string
}

func (c *stubClient) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	if c.cached == nil {
		return apierrors.NewNotFound(appsv1beta2.Resource("nodepools"), key.Name)
	}
	*obj.(*appsv1beta2.NodePool) = *c.cached
	return nil
}

func (c *stubClient) Status() client.SubResourceWriter { return stubStatus{stub: c} }

type stubStatus struct {
	client.SubResourceWriter
	stub *stubClient
}

func (s stubStatus) Patch(_ context.Context, obj client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	if err := s.stub.err; err != nil {
		s.stub.err = nil
		return err
	}
	data, err := patch.Data(obj)
	if err != nil {
		return err
	}
	s.stub.writes = append(s.stub.writes, string(data))
	s.stub.version++
	pool := obj.(*appsv1beta2.NodePool)
	pool.UID, pool.ResourceVersion = s.stub.cached.UID, fmt.Sprint(s.stub.version)
	return json.Unmarshal(data, pool)
}

func nodeIn(name, pool string, ready bool) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{apps.LabelNodePool: pool}}}
	if ready {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	}
	return node
}

func poolAt(version string, uid types.UID) *appsv1beta2.NodePool {
	return &appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: uid, ResourceVersion: version}}
}

var requestP = reconcile.Request{NamespacedName: types.NamespacedName{Name: "p"}}

func newStub(pool *appsv1beta2.NodePool) (*stubClient, *Reconciler, *events.FakeRecorder) {
	stub, recorder := &stubClient{cached: pool, version: 10}, events.NewFakeRecorder(100)
	return stub, newReconciler(stub, recorder), recorder
}

func recorded(recorder *events.FakeRecorder) (all []string) {
	for {
		select {
		case e := <-recorder.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

func mustReconcile(t *testing.T, r *Reconciler) reconcile.Result {
	t.Helper()
	result, err := r.Reconcile(t.Context(), requestP)
	if err != nil {
		t.Fatalf("Reconcile: %v", err)
	}
	return result
}

func TestPatchHasOnlyOwnFields(t *testing.T) {
	stub, r, _ := newStub(poolAt("5", "u"))
	r.members.Observe(nodeIn("b", "p", true))
	r.members.Observe(nodeIn("a", "p", false))
	mustReconcile(t, r)
	r.members.Forget("a")
	r.members.Forget("b")
	mustReconcile(t, r)
	want := []string{
		`{"status":{"readyNodeNum":1,"unreadyNodeNum":1,"nodes":["a","b"]}}`,
		`{"status":{"readyNodeNum":0,"unreadyNodeNum":0,"nodes":null}}`,
	}
	if diff := cmp.Diff(want, stub.writes); diff != "" {
		t.Errorf("writes: -want, +got:\n%s", diff)
	}
}

// TestCacheLagsBehind: between a write and its watch event, the cache has the
// old status. Nothing must be written or reported twice for it.
func TestCacheLagsBehind(t *testing.T) {
	stub, r, recorder := newStub(poolAt("5", "u"))
	r.members.Observe(nodeIn("a", "p", true))
	mustReconcile(t, r)
	mustReconcile(t, r)
	if len(stub.writes) != 1 {
		t.Fatalf("writes: %q", stub.writes)
	}
	r.members.Observe(nodeIn("b", "p", true))
	mustReconcile(t, r)
	want := []string{"Normal NodeJoined Node a joined", "Normal NodeJoined Node b joined"}
	if diff := cmp.Diff(want, recorded(recorder)); diff != "" {
		t.Errorf("events: -want, +got:\n%s", diff)
	}

	t.Log("Then it catches up, and somebody else's write comes with it.")
	stub.cached = poolAt("20", "u")
	mustReconcile(t, r)
	if len(stub.writes) != 3 {
		t.Errorf("a status that somebody has emptied was not repaired: %q", stub.writes)
	}
}

func TestNewPoolOfTheSameName(t *testing.T) {
	stub, r, _ := newStub(poolAt("5", "old"))
	r.members.Observe(nodeIn("a", "p", true))
	mustReconcile(t, r)
	stub.cached = poolAt("6", "new")
	mustReconcile(t, r)
	if len(stub.writes) != 2 {
		t.Errorf("writes: %q", stub.writes)
	}
}

func TestWriteFails(t *testing.T) {
	cases := map[string]struct {
		reason string
		err    error
		fails  bool // with an error, for the queue's backoff
	}{
		"Conflict":    {"another writer was quicker", apierrors.NewConflict(appsv1beta2.Resource("nodepools"), "p", errors.New("changed")), false},
		"NotFound":    {"the pool is gone and its event on the way", apierrors.NewNotFound(appsv1beta2.Resource("nodepools"), "p"), false},
		"Unavailable": {"yurt-apiserver is away", apierrors.NewServiceUnavailable("away"), false},
		"Forbidden":   {"a right is missing", apierrors.NewForbidden(appsv1beta2.Resource("nodepools"), "p", errors.New("no")), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			stub, r, recorder := newStub(poolAt("5", "u"))
			r.members.Observe(nodeIn("a", "p", true))
			stub.err = tc.err
			result, err := r.Reconcile(t.Context(), requestP)
			if (err != nil) != tc.fails || (result.RequeueAfter == 0) != tc.fails {
				t.Errorf("%s: %v, %v", tc.reason, result, err)
			}
			if e := recorded(recorder); e != nil {
				t.Errorf("what was not written was reported: %q", e)
			}
			mustReconcile(t, r)
			if len(stub.writes) != 1 {
				t.Errorf("writes: %q", stub.writes)
			}
		})
	}
}

func TestForgetsDeletedPools(t *testing.T) {
	stub, r, _ := newStub(poolAt("5", "u"))
	r.members.Observe(nodeIn("a", "p", true))
	mustReconcile(t, r)
	stub.cached = nil
	mustReconcile(t, r)
	if len(r.written) != 0 {
		t.Errorf("still remembers %v", r.written)
	}
}

func TestManyChangesAreOneEvent(t *testing.T) {
	_, r, recorder := newStub(poolAt("5", "u"))
	long := strings.Repeat("x", 240) // names can be that long
	for i := range 500 {
		r.members.Observe(nodeIn(fmt.Sprintf("n-%03d-%s", i, long), "p", true))
	}
	mustReconcile(t, r)
	got := recorded(recorder)
	if len(got) != 1 || !strings.Contains(got[0], "500 nodes joined: n-000-") || !strings.HasSuffix(got[0], " and 497 more") {
		t.Errorf("events: %q", got)
	}
	if note := strings.TrimPrefix(got[0], "Normal NodeJoined "); len(note) > 1024 {
		t.Errorf("a note of %d bytes will be refused", len(note))
	}
}

// recordingQueue counts what is queued.
type recordingQueue struct {
	queue
	after []string
}

func (q *recordingQueue) AddAfter(r reconcile.Request, d time.Duration) {
	if d == coalesce {
		q.after = append(q.after, r.Name)
	}
}

func TestEventsQueueOnlyChangedPools(t *testing.T) {
	_, r, _ := newStub(nil)
	q := &recordingQueue{}
	add(q, r.members.Observe(nodeIn("a", "p", true)))
	add(q, r.members.Observe(nodeIn("a", "p", true))) // a heartbeat
	add(q, r.members.Observe(nodeIn("a", "q", true)))
	if want := []string{"p", "p", "q"}; !slices.Equal(q.after, want) {
		t.Errorf("queued %v, want %v", q.after, want)
	}
}

// BenchmarkNodeEvent is what one node's event costs among many nodes: it must
// not depend on their number.
func BenchmarkNodeEvent(b *testing.B) {
	for _, nodes := range []int{100, 10_000} {
		for name, changes := range map[string]bool{"Heartbeat": false, "ReadyChanges": true} {
			b.Run(fmt.Sprintf("%s/nodes=%d", name, nodes), func(b *testing.B) {
				_, r, _ := newStub(nil)
				for i := range nodes {
					r.members.Observe(nodeIn(fmt.Sprintf("n-%d", i), fmt.Sprintf("p-%d", i%100), true))
				}
				states := [2]*corev1.Node{nodeIn("n-7", "p-7", true), nodeIn("n-7", "p-7", !changes)}
				q := &recordingQueue{}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					q.after = q.after[:0]
					add(q, r.members.Observe(states[i%2]))
					i++
				}
			})
		}
	}
}

// BenchmarkWrite is what a write of a pool's status costs here, once per
// coalescing delay at most.
func BenchmarkWrite(b *testing.B) {
	for _, nodes := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("members=%d", nodes), func(b *testing.B) {
			stub, r, _ := newStub(poolAt("1", "u"))
			for i := range nodes {
				r.members.Observe(nodeIn(fmt.Sprintf("n-%d", i), "p", true))
			}
			if _, err := r.Reconcile(b.Context(), requestP); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			ready := false
			for b.Loop() {
				r.members.Observe(nodeIn("n-7", "p", ready))
				ready = !ready
				if _, err := r.Reconcile(b.Context(), requestP); err != nil {
					b.Fatal(err)
				}
				stub.writes = stub.writes[:0]
			}
		})
	}
}
