// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// Reasons of Events on a NodePool.
const (
	// ReasonNodeJoined says that nodes have become members.
	ReasonNodeJoined = "NodeJoined"
	// ReasonNodeLeft says that nodes are no longer members.
	ReasonNodeLeft = "NodeLeft"
)

const (
	actionCount = "CountNodes"
	// single is up to how many nodes get an Event each when they come or go
	// together; more get one for all of them.
	single = 3
	// listed is how many names such an Event gives. A note is limited to 1 kB,
	// and a name to 253 characters.
	listed = 3
)

// reportChange says by Events who has come and gone. It is called once for a
// written change, so no Event is repeated.
func (r *Reconciler) reportChange(pool *appsv1beta2.NodePool, before, after []string) {
	if slices.Equal(before, after) {
		return // only readiness has changed
	}
	was, is := sets.New(before...), sets.New(after...)
	r.reportNodes(pool, ReasonNodeJoined, "joined", sets.List(is.Difference(was)))
	r.reportNodes(pool, ReasonNodeLeft, "left", sets.List(was.Difference(is)))
}

func (r *Reconciler) reportNodes(pool *appsv1beta2.NodePool, reason, verb string, nodes []string) {
	if len(nodes) <= single {
		for _, node := range nodes {
			// Events that differ only in the note are counted as one; the
			// related node keeps them apart.
			related := &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node}
			r.recorder.Eventf(pool, related, corev1.EventTypeNormal, reason, actionCount, "Node %s %s", node, verb)
		}
		return
	}
	note := fmt.Sprintf("%d nodes %s: %s and %d more", len(nodes), verb, strings.Join(nodes[:listed], ", "), len(nodes)-listed)
	r.recorder.Eventf(pool, nil, corev1.EventTypeNormal, reason, actionCount, "%s", note)
}
