// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// Reasons of Events.
const (
	// ReasonPoolNotFound on a Node: its pool label names no NodePool.
	ReasonPoolNotFound = "NodePoolNotFound"
	// ReasonPoolChanged on a Node: it has moved from one pool to another.
	ReasonPoolChanged = "NodePoolChanged"
	// ReasonForeignValue on a Node: it has other values than its pool asks
	// for, and not from the pool.
	ReasonForeignValue = "ForeignAttribute"
	// ReasonRecordMalformed on a Node: the record of what its pool has put
	// there cannot be read.
	ReasonRecordMalformed = "AttributeRecordMalformed"
	// ReasonAttributeRefused on a NodePool: its spec asks for attributes that
	// a pool may not give.
	ReasonAttributeRefused = "AttributeRefused"
)

const (
	actionJoin  = "JoinPool"
	actionApply = "ApplyAttributes"
)

// listed is how many names an Event lists; a note is limited to 1 kB, a key
// with its value can have 380 characters but rarely has 60.
const listed = 8

// finding is what there is to say about a node.
type finding struct {
	pool      string
	missing   bool // there is no such pool
	foreign   string
	malformed bool
}

// reporter turns findings into Events, each once: a finding that was there the
// last time is not news. It forgets when the process ends, so a new leader says
// what is still true once more.
type reporter struct {
	recorder events.EventRecorder

	mu    sync.Mutex
	nodes map[string]finding
	pools map[string]string
}

func newReporter(recorder events.EventRecorder) *reporter {
	return &reporter{recorder: recorder, nodes: map[string]finding{}, pools: map[string]string{}}
}

// knowsMissing says whether it has been reported that the node's pool does not
// exist.
func (r *reporter) knowsMissing(node, pool string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.nodes[node]
	return f.missing && f.pool == pool
}

func (r *reporter) node(node *corev1.Node, now finding) {
	r.mu.Lock()
	before := r.nodes[node.Name]
	if now == (finding{}) {
		delete(r.nodes, node.Name)
	} else {
		r.nodes[node.Name] = now
	}
	r.mu.Unlock()

	moved := before.pool != now.pool
	if moved && before.pool != "" && now.pool != "" {
		r.warn(node, ReasonPoolChanged, actionJoin, "Moved from pool %s directly to pool %s", before.pool, now.pool)
	}
	if now.missing && (moved || !before.missing) {
		r.warn(node, ReasonPoolNotFound, actionJoin, "There is no NodePool %s; until there is, the node keeps what it has of it", now.pool)
	}
	if now.foreign != "" && (moved || now.foreign != before.foreign) {
		r.warn(node, ReasonForeignValue, actionApply,
			"Pool %s asks for other values of what was set here by others and is left alone: %s", now.pool, now.foreign)
	}
	if now.malformed && !before.malformed {
		r.warn(node, ReasonRecordMalformed, actionApply,
			"The record of what the pool has put here cannot be read; taints from it will not be taken away")
	}
}

func (r *reporter) warn(node *corev1.Node, reason, action, note string, args ...any) {
	r.recorder.Eventf(node, nil, corev1.EventTypeWarning, reason, action, note, args...)
}

// refused reports what a pool asks for and may not give.
func (r *reporter) refused(pool *appsv1beta2.NodePool, refused []string) {
	now := ""
	if len(refused) > 0 {
		now = poolKey(pool.UID, refused)
	}
	r.mu.Lock()
	before := r.pools[pool.Name]
	if now == "" {
		delete(r.pools, pool.Name)
	} else {
		r.pools[pool.Name] = now
	}
	r.mu.Unlock()
	if now != "" && now != before {
		r.recorder.Eventf(pool, nil, corev1.EventTypeWarning, ReasonAttributeRefused, actionApply,
			"A pool may not give these to its nodes, or they are invalid: %s", list(refused))
	}
}

func poolKey(uid types.UID, refused []string) string {
	return string(uid) + " " + strings.Join(refused, " ")
}

func (r *reporter) forgetNode(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, name)
}

func (r *reporter) forgetPool(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pools, name)
}

// list joins names, but not so many that an Event would be refused.
func list(names []string) string {
	if len(names) <= listed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
}
