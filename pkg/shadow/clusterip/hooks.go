// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/klog/v2"
)

// cleanupTimeout bounds what follows a request and must not end with it.
const cleanupTimeout = 10 * time.Second

// claim is what a request has taken for a Service that is not written yet. What
// the Service had left behind and takes over is not given back if the request
// fails: another request for the same Service may be about to write it.
type claim struct {
	owner  types.NamespacedName
	dryRun bool
	// inUse is what all Services held when the request began, nil if nobody has
	// asked.
	inUse *holding
	// left are records that the Service has left behind, one of each family.
	left map[corev1.IPFamily]*networkingv1.IPAddress

	addresses []*networkingv1.IPAddress
	ports     []portRecord
}

// BeginCreate completes a new Service. It is a hook of genericregistry.Store.
func (a *Allocator) BeginCreate(ctx context.Context, obj runtime.Object, options *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
	service := obj.(*corev1.Service)
	inferPlural(service, nil)
	return a.begin(ctx, service, nil, dryrun.IsDryRun(options.DryRun))
}

// BeginUpdate completes a changed Service. It is a hook of genericregistry.Store.
func (a *Allocator) BeginUpdate(ctx context.Context, obj, oldObj runtime.Object, options *metav1.UpdateOptions) (genericregistry.FinishFunc, error) {
	service, old := obj.(*corev1.Service), oldObj.(*corev1.Service)
	carryOver(service, old)
	inferPlural(service, old)
	return a.begin(ctx, service, old, dryrun.IsDryRun(options.DryRun))
}

func (a *Allocator) begin(ctx context.Context, service, old *corev1.Service, dryRun bool) (genericregistry.FinishFunc, error) {
	if err := a.setFamilies(service, old); err != nil {
		return nil, err
	}
	c := &claim{owner: keyOf(service), dryRun: dryRun}
	err := a.giveAddresses(ctx, service, old, c)
	if err == nil {
		err = a.giveNodePorts(ctx, service, old, c)
	}
	if err != nil {
		a.rollBack(ctx, c)
		return nil, err
	}
	return func(ctx context.Context, success bool) {
		if success {
			a.commit(ctx, service, old, c)
		} else {
			a.rollBack(ctx, c)
		}
	}, nil
}

// commit remembers what an update gives up. It must not be released here: the
// machinery says success before it writes an update, and the write may fail.
func (a *Allocator) commit(ctx context.Context, service, old *corev1.Service, c *claim) {
	if c.dryRun {
		return
	}
	if len(c.addresses)+len(c.ports) > 0 {
		klog.FromContext(ctx).V(2).Info("Gave Service addresses and ports of the pool",
			"service", klog.KObj(service), "clusterIPs", service.Spec.ClusterIPs, "nodePorts", len(c.ports))
	}
	gone := holdingOf(old).without(holdingOf(service))
	if gone.empty() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[c.owner] = gone.with(a.gone[c.owner])
}

// rollBack gives back what a request has taken in vain.
func (a *Allocator) rollBack(ctx context.Context, c *claim) {
	if len(c.addresses)+len(c.ports) == 0 {
		return
	}
	logger := klog.FromContext(ctx)
	if ctx.Err() != nil {
		// The Service may be written or not, or be written yet.
		logger.V(2).Info("Left addresses and ports of a cancelled request to repair", "service", klog.KRef(c.owner.Namespace, c.owner.Name))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if _, err := a.giveBack(ctx, c); err != nil {
		logger.Info("Addresses and ports were not given back, repair will", "service", klog.KRef(c.owner.Namespace, c.owner.Name), "err", err)
	}
}

// AfterUpdate releases what an update that has been written gave up. It is a hook
// of genericregistry.Store.
func (a *Allocator) AfterUpdate(obj runtime.Object, options *metav1.UpdateOptions) {
	owner := keyOf(obj.(*corev1.Service))
	a.mu.Lock()
	gone, ok := a.gone[owner]
	a.mu.Unlock()
	if !ok || dryrun.IsDryRun(options.DryRun) {
		return
	}
	kept := a.releaseDetached(owner, gone)
	a.mu.Lock()
	defer a.mu.Unlock()
	// Another update may be on its way that gives up more, or what is still held.
	if left := a.gone[owner].without(gone.without(kept)); left.empty() {
		delete(a.gone, owner)
	} else {
		a.gone[owner] = left
	}
}

// AfterDelete releases what a Service held that is gone. It is a hook of
// genericregistry.Store.
func (a *Allocator) AfterDelete(obj runtime.Object, options *metav1.DeleteOptions) {
	if options != nil && dryrun.IsDryRun(options.DryRun) {
		return
	}
	service := obj.(*corev1.Service)
	a.releaseDetached(keyOf(service), holdingOf(service))
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, keyOf(service))
}

// releaseDetached releases for hooks that have no context. It returns what is
// still held.
func (a *Allocator) releaseDetached(owner types.NamespacedName, gone holding) (kept holding) {
	if gone.empty() {
		return gone
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	kept, err := a.release(ctx, owner, gone)
	if err != nil {
		klog.FromContext(ctx).Info("Addresses and ports were not released, repair will", "service", klog.KRef(owner.Namespace, owner.Name), "err", err)
	}
	return kept
}

func keyOf(service *corev1.Service) types.NamespacedName {
	return types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
}
