// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
)

// maxGone bounds how many deletions are remembered for dependents that appear
// late, as those do that a controller makes while their owner goes.
const maxGone = 4096

// object is what is kept of an object.
type object struct {
	uid                  types.UID
	resource             *resource
	namespace, name      string
	owners               []ownership
	deleting             bool
	foreground, orphaned bool // by its finalizers
}

// ownership is what is kept of a reference to an owner.
type ownership struct {
	uid    types.UID
	blocks bool // the owner has to wait for this object
}

// place is where an object was.
type place struct {
	resource        *resource
	namespace, name string
}

// job is something to look into.
type job struct {
	what task
	uid  types.UID
	name string // of a namespace
}

// task is what a job is about.
type task int

const (
	checkOwners     task = iota // of a dependent
	awaitDependents             // of an owner that is deleted in the foreground
	orphanDependents
	scanForNode // of a node that has gone
	emptyNamespace
)

// graph knows who owns whom. What it says is what watches have told, which may be
// late: who acts on it reads again.
type graph struct {
	add      func(job)                                // must not block
	mirrored func(*metav1.PartialObjectMetadata) bool // may be nil

	mu         sync.Mutex // guards the fields below
	objects    map[types.UID]*object
	dependents map[types.UID]map[types.UID]*object
	gone       *lru.Cache // of UID to place
}

func newGraph(add func(job), mirrored func(*metav1.PartialObjectMetadata) bool) *graph {
	return &graph{
		add: add, mirrored: mirrored,
		objects:    map[types.UID]*object{},
		dependents: map[types.UID]map[types.UID]*object{},
		gone:       lru.New(maxGone),
	}
}

// observe takes in an object as it is now.
func (g *graph) observe(r *resource, m *metav1.PartialObjectMetadata) {
	o := &object{
		uid: m.UID, resource: r, namespace: m.Namespace, name: m.Name,
		deleting:   m.DeletionTimestamp != nil,
		foreground: slices.Contains(m.Finalizers, metav1.FinalizerDeleteDependents),
		orphaned:   slices.Contains(m.Finalizers, metav1.FinalizerOrphanDependents),
	}
	for _, ref := range m.OwnerReferences {
		o.owners = append(o.owners, ownership{ref.UID, ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.objects[o.uid]; old != nil {
		g.unlink(old)
	}
	g.objects[o.uid] = o
	for _, owner := range o.owners {
		if g.dependents[owner.uid] == nil {
			g.dependents[owner.uid] = map[types.UID]*object{}
		}
		g.dependents[owner.uid][o.uid] = o
		if _, gone := g.gone.Get(owner.uid); gone || g.deletesDependents(owner.uid) {
			g.add(job{what: checkOwners, uid: o.uid})
		}
	}
	if !o.deleting || g.isMirrored(m) {
		return
	}
	switch {
	case r.GroupResource() == namespaces:
		g.add(job{what: emptyNamespace, name: o.name})
	case o.orphaned:
		g.add(job{what: orphanDependents, uid: o.uid})
	case o.foreground:
		g.add(job{what: awaitDependents, uid: o.uid})
	}
}

// remove takes in that an object has gone.
func (g *graph) remove(m *metav1.PartialObjectMetadata) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.objects[m.UID]; o != nil {
		g.forget(o, g.isMirrored(m))
	}
}

// replace takes in a list of all objects of a resource. What it lacks has gone.
func (g *graph) replace(r *resource, list []*metav1.PartialObjectMetadata) {
	present := make(map[types.UID]bool, len(list))
	for _, m := range list {
		present[m.UID] = true
		g.observe(r, m)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for uid, o := range g.objects {
		if o.resource.GroupVersionResource == r.GroupVersionResource && !present[uid] {
			// Whose it was at last is not known.
			g.forget(o, g.mirrored != nil)
		}
	}
}

// drop forgets all objects of a resource that is served no more. They have not
// gone: they are only not known any more.
func (g *graph) drop(r *resource) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.objects {
		if o.resource.GroupVersionResource == r.GroupVersionResource {
			g.forget(o, true)
		}
	}
}

// forget removes an object. The caller holds the lock.
func (g *graph) forget(o *object, silently bool) {
	delete(g.objects, o.uid)
	g.unlink(o)
	if silently {
		return
	}
	g.gone.Add(o.uid, place{o.resource, o.namespace, o.name})
	for uid := range g.dependents[o.uid] {
		g.add(job{what: checkOwners, uid: uid})
	}
	if o.resource.GroupResource() == nodes {
		g.add(job{what: scanForNode, uid: o.uid})
	}
}

// unlink takes an object from its owners, who may have waited for that. The caller
// holds the lock.
func (g *graph) unlink(o *object) {
	for _, owner := range o.owners {
		delete(g.dependents[owner.uid], o.uid)
		if len(g.dependents[owner.uid]) == 0 {
			delete(g.dependents, owner.uid)
		}
		if g.deletesDependents(owner.uid) {
			g.add(job{what: awaitDependents, uid: owner.uid})
		}
	}
}

// deletesDependents says whether an object is deleted in the foreground. The caller
// holds the lock.
func (g *graph) deletesDependents(uid types.UID) bool {
	o := g.objects[uid]
	return o != nil && o.deleting && o.foreground
}

func (g *graph) isMirrored(m *metav1.PartialObjectMetadata) bool {
	return g.mirrored != nil && g.mirrored(m)
}

// get returns an object, nil if it is not known. It is not to be changed.
func (g *graph) get(uid types.UID) *object {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.objects[uid]
}

// dependentsOf returns the dependents of an object.
func (g *graph) dependentsOf(uid types.UID) []*object {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*object
	for _, o := range g.dependents[uid] {
		all = append(all, o)
	}
	return all
}

// sawGo says whether an object of that uid was seen to go, in that place.
func (g *graph) sawGo(uid types.UID, r *resource, namespace, name string) bool {
	was, ok := g.gone.Get(uid)
	if !ok {
		return false
	}
	p := was.(place)
	return p.resource.GroupResource() == r.GroupResource() && p.namespace == namespace && p.name == name
}
