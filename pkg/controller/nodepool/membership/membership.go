// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package membership keeps in memory which nodes belong to which pool and
// which of them are ready.
//
// It is fed one node at a time, from watch events, so the cost of an event
// does not depend on how many nodes there are. It knows pools only by name:
// whether such a NodePool exists is not its business, so a pool that is created
// after its nodes finds them here.
package membership

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/apis/apps"
)

// Map says which nodes are in which pool. The zero value is not usable; call
// New. It is safe for concurrent use.
type Map struct {
	mu    sync.RWMutex
	nodes map[string]member
	pools map[string]*pool
}

// member is what is known of one node. It is only kept for nodes in a pool.
type member struct {
	pool  string
	ready bool
}

type pool struct {
	nodes map[string]struct{}
	ready int
}

// View is the state of one pool at one moment.
type View struct {
	// Nodes are the names of the pool's nodes, sorted.
	Nodes []string
	// Ready and Unready count them.
	Ready, Unready int32
}

// New returns an empty Map.
func New() *Map {
	return &Map{nodes: map[string]member{}, pools: map[string]*pool{}}
}

// PoolOf returns the name of the pool that a node belongs to, or "".
func PoolOf(node *corev1.Node) string { return node.Labels[apps.LabelNodePool] }

// Ready says whether a node is ready. A node that has never reported, or whose
// kubelet is not heard of, is not.
func Ready(node *corev1.Node) bool {
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Observe takes in the current state of a node and returns the pools that look
// different for it: none, one, or both when the node has moved.
func (m *Map) Observe(node *corev1.Node) []string {
	return m.set(node.Name, member{pool: PoolOf(node), ready: Ready(node)})
}

// Forget takes in that a node is gone and returns the pool that it was in, if
// any.
func (m *Map) Forget(node string) []string {
	return m.set(node, member{})
}

func (m *Map) set(node string, now member) (changed []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.nodes[node] // the zero member when unknown: in no pool
	if now.pool == "" {
		now = member{}
	}
	if before == now {
		return nil
	}
	if before.pool != "" {
		m.remove(node, before)
		changed = append(changed, before.pool)
	}
	if now.pool != "" {
		m.add(node, now)
		if now.pool != before.pool {
			changed = append(changed, now.pool)
		}
	}
	return changed
}

func (m *Map) remove(node string, was member) {
	p := m.pools[was.pool]
	delete(p.nodes, node)
	if was.ready {
		p.ready--
	}
	if len(p.nodes) == 0 {
		delete(m.pools, was.pool)
	}
	delete(m.nodes, node)
}

func (m *Map) add(node string, is member) {
	p := m.pools[is.pool]
	if p == nil {
		p = &pool{nodes: map[string]struct{}{}}
		m.pools[is.pool] = p
	}
	p.nodes[node] = struct{}{}
	if is.ready {
		p.ready++
	}
	m.nodes[node] = is
}

// View returns the state of a pool. The caller owns what it gets.
func (m *Map) View(name string) View {
	nodes, ready := m.unsorted(name)
	slices.Sort(nodes)
	return View{Nodes: nodes, Ready: int32(ready), Unready: int32(len(nodes) - ready)}
}

// Nodes returns the names of a pool's nodes in no order.
func (m *Map) Nodes(name string) []string {
	nodes, _ := m.unsorted(name)
	return nodes
}

func (m *Map) unsorted(name string) (nodes []string, ready int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p := m.pools[name]
	if p == nil {
		return nil, 0
	}
	nodes = make([]string, 0, len(p.nodes))
	for node := range p.nodes {
		nodes = append(nodes, node)
	}
	return nodes, p.ready
}
