// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"context"
	"errors"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/membership"
)

// errStale reports a decision that was made on an old copy of an object.
var errStale = errors.New("the object has changed")

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// queuer turns watch events into nodes to look at. It keeps its own map of
// members and fills it before it queues anything: so whatever happens first, a
// change of a pool or of a node, the later one finds the other.
type queuer struct {
	members *membership.Map
	report  *reporter
}

func (q *queuer) nodes(c cache.Cache) source.Source {
	return source.Kind(c, &corev1.Node{}, handler.TypedFuncs[*corev1.Node, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*corev1.Node], work queue) {
			q.members.Observe(e.Object)
			work.Add(request(e.Object.Name))
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*corev1.Node], work queue) {
			q.members.Observe(e.ObjectNew)
			if nodeChanged(e.ObjectOld, e.ObjectNew) {
				work.Add(request(e.ObjectNew.Name))
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*corev1.Node], work queue) {
			q.members.Forget(e.Object.Name)
			work.Add(request(e.Object.Name)) // to forget what was reported
		},
	})
}

func (q *queuer) pools(c cache.Cache) source.Source {
	return source.Kind(c, &appsv1beta2.NodePool{}, handler.TypedFuncs[*appsv1beta2.NodePool, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*appsv1beta2.NodePool], work queue) {
			q.addMembers(e.Object.Name, work)
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*appsv1beta2.NodePool], work queue) {
			if poolChanged(e.ObjectOld, e.ObjectNew) {
				q.addMembers(e.ObjectNew.Name, work)
			}
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*appsv1beta2.NodePool], work queue) {
			q.report.forgetPool(e.Object.Name)
			q.addMembers(e.Object.Name, work)
		},
	})
}

// addMembers queues the nodes of a pool, behind nodes that have changed
// themselves: a node just labelled shall not wait for thousands of others.
func (q *queuer) addMembers(pool string, work queue) {
	priority, hasPriorities := work.(priorityqueue.PriorityQueue[reconcile.Request])
	for _, node := range q.members.Nodes(pool) {
		if hasPriorities {
			priority.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(handler.LowPriority)}, request(node))
		} else {
			work.Add(request(node))
		}
	}
}

// nodeChanged says whether something has changed that matters here. Most
// updates of a node are heartbeats, and do not.
func nodeChanged(before, after *corev1.Node) bool {
	return before.ResourceVersion == after.ResourceVersion || // the periodic second look
		before.UID != after.UID ||
		!maps.Equal(before.Labels, after.Labels) ||
		!maps.Equal(before.Annotations, after.Annotations) ||
		!equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) ||
		!sameOwnership(before, after)
}

func sameOwnership(before, after *corev1.Node) bool {
	a, b := ownEntry(before), ownEntry(after)
	if a == nil || b == nil || a.FieldsV1 == nil || b.FieldsV1 == nil {
		return a == b
	}
	return a.FieldsV1.Equal(*b.FieldsV1)
}

// poolChanged says whether a pool gives its nodes something else than before.
// Changes of its status, the most frequent ones, do not matter.
func poolChanged(before, after *appsv1beta2.NodePool) bool {
	return before.UID != after.UID ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		before.Spec.HostNetwork != after.Spec.HostNetwork ||
		!maps.Equal(before.Spec.Labels, after.Spec.Labels) ||
		!maps.Equal(before.Spec.Annotations, after.Spec.Annotations) ||
		!equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints)
}

func request(node string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: node}}
}
