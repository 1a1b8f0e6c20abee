// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package status keeps in the status of every NodePool which nodes it has and
// how many of them are ready.
//
// Membership is kept in memory, one node event at a time; a pool whose view has
// changed is written once, a moment later, however many events came together.
//
// The three fields are written by a merge patch of exactly these fields, so
// what other controllers put into the status stays. Server-side apply would say
// the same, but cannot empty a list of nodes that another writer (OpenYurt, or a
// restored backup) owns as well, and has the server go through ten thousand
// names twice. The field manager shows whose the fields are in both cases.
package status

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/membership"
	"github.com/steppe-io/steppe/pkg/controller/watchcache"
)

const (
	// Name of the controller in logs, metrics and Events.
	Name = "nodepool-status"
	// FieldManager owns the written fields of the status.
	FieldManager = watchcache.FieldManagerPrefix + "nodepool"
)

const (
	// coalesce is how long a pool waits for more events before it is written.
	// A person who labels a node should not notice it, and a pool that loses
	// all its nodes at once should not be written for each of them.
	coalesce = 150 * time.Millisecond
	// A pool that cannot be written is tried again after minRetry, and then
	// less and less often, but so that it is not long after yurt-apiserver is
	// back.
	minRetry = 100 * time.Millisecond
	maxRetry = 10 * time.Second
	// awayRetry is when a pool is tried again that could not be written since
	// yurt-apiserver was away. Only pools that have changed meanwhile wait.
	awayRetry = 2 * time.Second
)

// Reconciler keeps the status of pools. A request names a pool.
type Reconciler struct {
	client   client.Client // reads from the cache, writes to the server
	recorder events.EventRecorder
	members  *membership.Map

	mu sync.Mutex
	// written is the last answer of the server for each pool. The cache may
	// still have an older one.
	written map[string]*appsv1beta2.NodePool
}

// Add adds the controller to a manager, whose cache should be configured by
// watchcache.Options.
func Add(mgr manager.Manager, workers int, syncTimeout time.Duration) error {
	registerMetrics()
	r := newReconciler(mgr.GetClient(), mgr.GetEventRecorder(Name))
	return builder.ControllerManagedBy(mgr).
		Named(Name).
		WatchesRawSource(r.nodes(mgr.GetCache())).
		WatchesRawSource(r.pools(mgr.GetCache())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			CacheSyncTimeout:        syncTimeout,
			EnableWarmup:            new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(r)
}

func newReconciler(c client.Client, recorder events.EventRecorder) *Reconciler {
	return &Reconciler{client: c, recorder: recorder, members: membership.New(), written: map[string]*appsv1beta2.NodePool{}}
}

// Reconcile writes the status of one pool if it is not what the nodes say. It
// runs only after all nodes of the first list have been counted.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pool := &appsv1beta2.NodePool{} // shared with the cache: never changed
	if err := r.client.Get(ctx, req.NamespacedName, pool); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.Name)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("read node pool from the cache: %w", err)
	}
	pool = r.newest(pool)
	view := r.members.View(pool.Name)
	if upToDate(&pool.Status, view) {
		return reconcile.Result{}, nil
	}
	result, err := r.write(ctx, pool.Name, view)
	switch {
	case apierrors.IsNotFound(err):
		// The pool is gone and its event on the way, or nobody serves pools
		// for the moment; in both cases there is nothing to write to now.
		return reconcile.Result{RequeueAfter: maxRetry}, nil
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: coalesce}, nil
	case apierrors.IsServiceUnavailable(err):
		// yurt-apiserver is away, which is no error of this pool.
		klog.FromContext(ctx).Info("Could not write the status of node pool for the moment", "pool", klog.KObj(pool), "err", err)
		return reconcile.Result{RequeueAfter: awayRetry}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("write status: %w", err)
	}
	r.remember(result)
	klog.FromContext(ctx).V(2).Info("Wrote the status of node pool", "pool", klog.KObj(pool), "ready", view.Ready, "unready", view.Unready)
	r.reportChange(pool, pool.Status.Nodes, view.Nodes)
	return reconcile.Result{}, nil
}

func (r *Reconciler) write(ctx context.Context, name string, view membership.View) (*appsv1beta2.NodePool, error) {
	var body struct {
		Status struct {
			Ready   int32    `json:"readyNodeNum"`
			Unready int32    `json:"unreadyNodeNum"`
			Nodes   []string `json:"nodes"` // null, when empty, removes the field
		} `json:"status"`
	}
	body.Status.Ready, body.Status.Unready, body.Status.Nodes = view.Ready, view.Unready, view.Nodes
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	result := &appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err = r.client.Status().Patch(ctx, result, client.RawPatch(types.MergePatchType, data), client.FieldOwner(FieldManager))
	if err != nil {
		return nil, err
	}
	statusWrites.Inc()
	return result, nil
}

func upToDate(status *appsv1beta2.NodePoolStatus, view membership.View) bool {
	return status.ReadyNodeNum == view.Ready && status.UnreadyNodeNum == view.Unready && slices.Equal(status.Nodes, view.Nodes)
}

// newest returns the cached pool, or what was written if that is newer. Without
// it, a second change within the delay of the cache would be compared with the
// past, and be written and reported twice.
func (r *Reconciler) newest(cached *appsv1beta2.NodePool) *appsv1beta2.NodePool {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := r.written[cached.Name]
	if written == nil {
		return cached
	}
	if written.UID == cached.UID {
		if order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, written.ResourceVersion); err == nil && order < 0 {
			return written
		}
	}
	delete(r.written, cached.Name) // the cache has caught up
	return cached
}

func (r *Reconciler) remember(pool *appsv1beta2.NodePool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written[pool.Name] = pool
}

func (r *Reconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.written, name)
}
