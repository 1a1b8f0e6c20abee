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
	// ReasonWriteRefused on a Node: the API server does not accept what its pool
	// makes of it, and will not until something changes.
	ReasonWriteRefused = "NodeWriteRefused"
	// ReasonAttributeRefused on a NodePool: its spec asks for attributes that
	// a pool may not give.
	ReasonAttributeRefused = "AttributeRefused"
)

const (
	actionJoin  = "JoinPool"
	actionApply = "ApplyAttributes"
)

// The note of an Event is limited to 1 kB.
const (
	// listed is how many names an Event lists.
	listed = 8
	// quoted is how many bytes of names, or of the server's words, an Event
	// repeats. It leaves room for our own words with the name of two pools.
	quoted = 640
)

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
	// unwritable are the nodes whose last write was refused.
	unwritable map[string]struct{}
}

func newReporter(recorder events.EventRecorder) *reporter {
	return &reporter{recorder: recorder, nodes: map[string]finding{}, pools: map[string]string{}, unwritable: map[string]struct{}{}}
}

// knowsMissing says whether it has been reported that the node's pool does not
// exist.
func (r *reporter) knowsMissing(node, pool string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.nodes[node]
	return f.missing && f.pool == pool
}

// node reports what there is to say about a node that is as it should be.
func (r *reporter) node(node *corev1.Node, now finding) {
	r.mu.Lock()
	delete(r.unwritable, node.Name)
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

// writeRefused reports that a node cannot be written, once until it can.
func (r *reporter) writeRefused(node *corev1.Node, err error) {
	r.mu.Lock()
	_, known := r.unwritable[node.Name]
	r.unwritable[node.Name] = struct{}{}
	r.mu.Unlock()
	if !known {
		r.warn(node, ReasonWriteRefused, actionApply, "The API server refuses what pools make of this node, and is asked again now and then: %s", shorten(err.Error()))
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
	delete(r.unwritable, name)
}

func (r *reporter) forgetPool(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pools, name)
}

// list joins names, but not so many that an Event would be refused. Most have
// less than 60 characters, though a key with its value can have 380.
func list(names []string) string {
	shown := min(len(names), listed)
	for shown > 1 && len(strings.Join(names[:shown], ", ")) > quoted {
		shown--
	}
	text := shorten(strings.Join(names[:shown], ", "))
	if shown == len(names) {
		return text
	}
	return fmt.Sprintf("%s and %d more", text, len(names)-shown)
}

// shorten cuts a text so that an Event can quote it.
func shorten(text string) string {
	if len(text) <= quoted {
		return text
	}
	return strings.ToValidUTF8(text[:quoted], "") + "..."
}
