// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	Name = "nodepool-attributes"
	// FieldManager owns the labels and annotations of pools on nodes.
	FieldManager = watchcache.FieldManagerPrefix + "nodepool"
)

const (
	// staleRetry is when a decision made on an old copy is made again. The
	// watch event that renews the copy usually comes first.
	staleRetry = 500 * time.Millisecond
	// A node that cannot be written is tried again after minRetry, and then
	// less and less often, but so that it is not long after yurt-apiserver or
	// a webhook is back, or whatever had the write refused has changed.
	minRetry = 50 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Reconciler keeps the attributes of pools on their nodes. A request names a
// node.
type Reconciler struct {
	client client.Client // reads from the cache, writes to the server
	live   client.Reader // reads from the server
	report *reporter
	writes *progress
}

// Add adds the controller to a manager, whose cache should be configured by
// watchcache.Options.
func Add(mgr manager.Manager, workers int, syncTimeout time.Duration) error {
	registerMetrics()
	r := newReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(Name))
	q := &queuer{members: membership.New(), report: r.report}
	return builder.ControllerManagedBy(mgr).
		Named(Name).
		WatchesRawSource(q.nodes(mgr.GetCache())).
		WatchesRawSource(q.pools(mgr.GetCache())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			CacheSyncTimeout:        syncTimeout,
			EnableWarmup:            new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(r)
}

func newReconciler(c client.Client, live client.Reader, recorder events.EventRecorder) *Reconciler {
	return &Reconciler{client: c, live: live, report: newReporter(recorder), writes: newProgress()}
}

// Reconcile brings one node to what its pool asks for, or, if it is in none,
// takes away what pools have left there. While its pool is missing, it only
// takes away what another pool has left.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := r.client.Get(ctx, req.NamespacedName, node); err != nil {
		if apierrors.IsNotFound(err) {
			r.report.forgetNode(req.Name)
			r.writes.forget(req.Name)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("read node from the cache: %w", err)
	}
	if r.writes.behind(node) {
		// The event of the write queues it again; this is in case of doubt.
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	pool, err := r.cachedPool(ctx, membership.PoolOf(node))
	if err != nil {
		return reconcile.Result{}, err
	}
	err = r.reconcile(ctx, node, pool)
	switch {
	case err == nil:
		return reconcile.Result{}, nil
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil // the node is gone, and its event on the way
	case apierrors.IsConflict(err):
		klog.FromContext(ctx).V(4).Info("Decided on an old copy of the node", "node", klog.KObj(node), "err", err)
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return reconcile.Result{}, err
}

func (r *Reconciler) reconcile(ctx context.Context, node *corev1.Node, pool *appsv1beta2.NodePool) error {
	name := membership.PoolOf(node)
	var want Set
	if pool != nil && pool.DeletionTimestamp.IsZero() {
		var refused []string
		want, refused = desired(pool)
		r.report.refused(pool, refused)
	}
	p := newPlan(node, want)

	// Nothing takes a pool from under its nodes, so one that is missing has been
	// lost, is still to come, or its name is wrong; the taints of a site must
	// not go for that. What another pool gave, the node has left.
	missing := name != "" && pool == nil
	due := !p.done(node) && (!missing || !p.before.isOf(name))
	if missing && (due || !r.report.knowsMissing(node.Name, name)) {
		if err := r.confirmMissing(ctx, name); err != nil {
			return err
		}
	}
	if due {
		if err := r.carryOut(ctx, node, want, p); err != nil {
			return err
		}
		klog.FromContext(ctx).V(2).Info("Brought node to the attributes of its pool", "node", klog.KObj(node), "pool", klog.KRef("", name))
	}
	r.report.node(node, finding{pool: name, missing: missing, foreign: list(p.foreign), malformed: p.malformed != nil})
	return nil
}

// carryOut writes the plan. Taking away needs to know who else owns a key, and
// so a live node; if that is newer than the cached one, there will be a new plan.
func (r *Reconciler) carryOut(ctx context.Context, node *corev1.Node, want Set, p plan) error {
	if p.releases() {
		live := &corev1.Node{}
		if err := r.live.Get(ctx, client.ObjectKeyFromObject(node), live); err != nil {
			return fmt.Errorf("read node: %w", err)
		}
		if live.UID != node.UID || live.ResourceVersion != node.ResourceVersion {
			return apierrors.NewConflict(corev1.Resource("nodes"), node.Name, errStale)
		}
		node, p = live, newPlan(live, want)
	}
	return r.write(ctx, node, &p)
}

// cachedPool returns the pool of that name, or nil if the cache has none. It
// must not be changed.
func (r *Reconciler) cachedPool(ctx context.Context, name string) (*appsv1beta2.NodePool, error) {
	if name == "" {
		return nil, nil
	}
	pool := &appsv1beta2.NodePool{}
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, pool); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("read node pool from the cache: %w", err)
	}
	return pool, nil
}

// confirmMissing asks the server whether there is really no such pool. A cache
// that has just been filled can lag behind, and a false alarm, or attributes
// taken away in the middle of a move, would be a mistake. That nobody serves
// NodePools, for example while yurt-apiserver is being installed again, is no
// proof of absence either.
func (r *Reconciler) confirmMissing(ctx context.Context, name string) error {
	err := r.live.Get(ctx, client.ObjectKey{Name: name}, &appsv1beta2.NodePool{})
	switch {
	case err == nil:
		return apierrors.NewConflict(appsv1beta2.Resource("nodepools"), name, errStale)
	case apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return nil
	}
	//nolint:errorlint // not wrapped: the caller would take a 404 for a node that is gone
	return fmt.Errorf("look whether node pool %s is gone: %v", name, err)
}
