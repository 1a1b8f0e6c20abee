// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

var things = &resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "things"}, kind: "Thing", namespaced: true}

func thing(uid types.UID, owners ...types.UID) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: uid, Namespace: "ns", Name: "name-of-" + string(uid)}}
	for _, o := range owners {
		m.OwnerReferences = append(m.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Thing", Name: "name-of-" + string(o), UID: o})
	}
	return m
}

// recorder returns a graph and the jobs that it has asked for since the last call.
func recorder(mirrored func(*metav1.PartialObjectMetadata) bool) (*graph, func() []job) {
	var jobs []job
	g := newGraph(func(j job) { jobs = append(jobs, j) }, mirrored)
	return g, func() []job {
		since := jobs
		jobs = nil
		return since
	}
}

func TestListWithoutAnObjectTellsThatItHasGone(t *testing.T) {
	g, jobs := recorder(nil)
	g.replace(things, []*metav1.PartialObjectMetadata{thing("a"), thing("b", "a")})
	if got := jobs(); len(got) != 0 {
		t.Fatalf("nothing has gone, and there are jobs %v", got)
	}
	g.replace(things, []*metav1.PartialObjectMetadata{thing("b", "a")})
	if got := jobs(); len(got) != 1 || got[0] != (job{what: checkOwners, uid: "b"}) {
		t.Fatalf("jobs are %v", got)
	}
	if !g.sawGo("a", things, "ns", "name-of-a") || g.sawGo("a", things, "ns", "other") || g.sawGo("b", things, "ns", "name-of-b") {
		t.Error("what has gone is a, by its name")
	}
}

func TestResourceThatIsServedNoMoreHasNotGone(t *testing.T) {
	g, jobs := recorder(nil)
	g.replace(things, []*metav1.PartialObjectMetadata{thing("a"), thing("b", "a")})
	g.drop(things)
	if got := jobs(); len(got) != 0 || g.sawGo("a", things, "ns", "name-of-a") {
		t.Errorf("jobs are %v", got)
	}
}

func TestLostListOfMirroredObjectsTellsNothing(t *testing.T) {
	g, jobs := recorder(func(*metav1.PartialObjectMetadata) bool { return false })
	g.replace(things, []*metav1.PartialObjectMetadata{thing("a"), thing("b", "a")})
	g.replace(things, []*metav1.PartialObjectMetadata{thing("b", "a")})
	if got := jobs(); len(got) != 0 {
		t.Errorf("whether it was mirrored is not known any more, and there are jobs %v", got)
	}
}

// The budget is what the package documents, with room for the growth of maps and for
// what the race detector adds.
func TestGraphOfManyObjectsIsSmall(t *testing.T) {
	const objects, budget = 8000, 6 << 20
	var used int64
	// Tests that ran before may still give memory back, so the last try counts.
	for range 5 {
		g, _ := recorder(nil)
		empty := heap()
		for i := range objects {
			// As decoded ones do, each has strings of its own.
			m := thing(types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)), types.UID(fmt.Sprintf("10000000-0000-0000-0000-%012d", i/2)))
			m.Namespace = fmt.Sprint("namespace-", i%20)
			g.observe(things, m)
		}
		used = heap() - empty
		runtime.KeepAlive(g)
	}
	t.Logf("%d bytes for each of %d objects", used/objects, objects)
	if used > budget {
		t.Errorf("%d objects take %d bytes", objects, used)
	}
}

// heap returns how much memory is in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found to be finalized
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
