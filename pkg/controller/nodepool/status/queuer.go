// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// nodes feeds the membership map and queues the pools that look different. An
// event that changes neither pool nor readiness, as a heartbeat, ends here.
func (r *Reconciler) nodes(c cache.Cache) source.Source {
	return source.Kind(c, &corev1.Node{}, handler.TypedFuncs[*corev1.Node, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*corev1.Node], work queue) {
			add(work, r.members.Observe(e.Object))
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*corev1.Node], work queue) {
			add(work, r.members.Observe(e.ObjectNew))
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*corev1.Node], work queue) {
			add(work, r.members.Forget(e.Object.Name))
		},
	})
}

// pools queues a pool whenever it changes, since the change may be somebody
// else's to the status.
func (r *Reconciler) pools(c cache.Cache) source.Source {
	return source.Kind(c, &appsv1beta2.NodePool{}, handler.TypedFuncs[*appsv1beta2.NodePool, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*appsv1beta2.NodePool], work queue) {
			add(work, []string{e.Object.Name})
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*appsv1beta2.NodePool], work queue) {
			add(work, []string{e.ObjectNew.Name})
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*appsv1beta2.NodePool], work queue) {
			add(work, []string{e.Object.Name}) // to forget it
		},
	})
}

// add queues pools for a moment later. The queue keeps one item per pool and
// the earliest time, so a steady stream of events does not put it off.
func add(work queue, pools []string) {
	for _, pool := range pools {
		work.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: pool}}, coalesce)
	}
}
