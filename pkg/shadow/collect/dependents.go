// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"
)

// checkOwners deletes a dependent that has lost its owners.
func (c *Collector) checkOwners(ctx context.Context, uid types.UID) (bool, error) {
	o := c.graph.get(uid)
	if o == nil || o.deleting {
		return true, nil
	}
	latest, err := c.read(ctx, o.resource, o.namespace, o.name, uid)
	if latest == nil || err != nil {
		return err == nil, err
	}
	return true, c.consider(ctx, o.resource, latest)
}

// owners are the references of a dependent, by what the owners say.
type owners struct {
	// keeping ones are there, or nothing is known of them.
	keeping []metav1.OwnerReference
	// lost ones have gone.
	lost []metav1.OwnerReference
	// waiting ones are deleted in the foreground.
	waiting []metav1.OwnerReference
}

// consider deletes an object if nothing keeps it, and else removes what does not
// keep it.
func (c *Collector) consider(ctx context.Context, r *resource, o *metav1.PartialObjectMetadata) error {
	if o.DeletionTimestamp != nil {
		return nil
	}
	has, err := c.ownersOf(ctx, o)
	if err != nil {
		return err
	}
	if len(has.lost) == 0 && len(has.waiting) == 0 {
		return nil
	}
	if len(has.keeping) > 0 {
		return c.patch(ctx, r, o, map[string]any{"ownerReferences": has.keeping})
	}
	policy := metav1.DeletePropagationBackground
	switch {
	case len(has.waiting) > 0 && c.holdsUp(o.UID):
		policy = metav1.DeletePropagationForeground
	case slices.Contains(o.Finalizers, metav1.FinalizerOrphanDependents):
		policy = metav1.DeletePropagationOrphan
	case slices.Contains(o.Finalizers, metav1.FinalizerDeleteDependents):
		policy = metav1.DeletePropagationForeground
	}
	klog.FromContext(ctx).V(2).Info("Deleting what has lost its owner", "resource", r.Resource, "object", klog.KObj(o), "policy", policy)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = c.in(r, o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{
		PropagationPolicy: &policy,
		// Somebody may adopt it.
		Preconditions: &metav1.Preconditions{UID: &o.UID, ResourceVersion: &o.ResourceVersion},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// holdsUp says whether an object has dependents of its own, which have to go first.
// Those that are deleted in the foreground themselves do not count: they may wait
// for this object.
func (c *Collector) holdsUp(uid types.UID) bool {
	dependents := c.graph.dependentsOf(uid)
	circle := slices.ContainsFunc(dependents, func(d *object) bool { return d.deleting && d.foreground })
	return len(dependents) > 0 && !circle
}

// ownersOf looks at each owner of a dependent.
func (c *Collector) ownersOf(ctx context.Context, o *metav1.PartialObjectMetadata) (owners, error) {
	var has owners
	for _, ref := range o.OwnerReferences {
		r := c.catalog.ofKind(ref.APIVersion, ref.Kind)
		if r == nil || r.namespaced && o.Namespace == "" {
			has.keeping = append(has.keeping, ref) // nothing can be found out about it
			continue
		}
		namespace := ""
		if r.namespaced {
			namespace = o.Namespace
		}
		owner, err := c.read(ctx, r, namespace, ref.Name, ref.UID)
		switch {
		case err != nil:
			return owners{}, err
		case owner == nil && c.graph.sawGo(ref.UID, r, namespace, ref.Name):
			has.lost = append(has.lost, ref)
		case owner != nil && owner.DeletionTimestamp != nil && slices.Contains(owner.Finalizers, metav1.FinalizerDeleteDependents) && !c.graph.isMirrored(owner):
			has.waiting = append(has.waiting, ref)
		default:
			has.keeping = append(has.keeping, ref)
		}
	}
	return has, nil
}

// awaitDependents lets an owner go when nothing holds it up any more.
func (c *Collector) awaitDependents(ctx context.Context, uid types.UID) (bool, error) {
	owner, r, err := c.ending(ctx, uid, metav1.FinalizerDeleteDependents)
	if owner == nil || err != nil {
		return err == nil, err
	}
	if !c.synced() {
		return false, nil // there may be dependents that are not known
	}
	held := false
	for _, d := range c.graph.dependentsOf(uid) {
		blocks := slices.ContainsFunc(d.owners, func(o ownership) bool { return o.uid == uid && o.blocks })
		held = held || blocks
		if !d.deleting {
			c.queue.Add(job{what: checkOwners, uid: d.uid})
		}
	}
	if held {
		return true, nil // the end of each is a reason to look again
	}
	return true, c.finish(ctx, r, owner, metav1.FinalizerDeleteDependents)
}

// orphanDependents lets an owner go when its dependents name it no more.
func (c *Collector) orphanDependents(ctx context.Context, uid types.UID) (bool, error) {
	owner, r, err := c.ending(ctx, uid, metav1.FinalizerOrphanDependents)
	if owner == nil || err != nil {
		return err == nil, err
	}
	if !c.synced() {
		return false, nil
	}
	for _, d := range c.graph.dependentsOf(uid) {
		latest, err := c.read(ctx, d.resource, d.namespace, d.name, d.uid)
		if err != nil {
			return false, err
		}
		if latest == nil {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(latest.OwnerReferences), func(ref metav1.OwnerReference) bool { return ref.UID == uid })
		if len(kept) == len(latest.OwnerReferences) {
			continue
		}
		if err := c.patch(ctx, d.resource, latest, map[string]any{"ownerReferences": kept}); err != nil {
			return false, err
		}
	}
	return true, c.finish(ctx, r, owner, metav1.FinalizerOrphanDependents)
}

// ending reads an object that is to be deleted and has a finalizer. Nil means that
// there is nothing to do for it.
func (c *Collector) ending(ctx context.Context, uid types.UID, finalizer string) (*metav1.PartialObjectMetadata, *resource, error) {
	o := c.graph.get(uid)
	if o == nil {
		return nil, nil, nil
	}
	latest, err := c.read(ctx, o.resource, o.namespace, o.name, uid)
	if latest == nil || err != nil || latest.DeletionTimestamp == nil || !slices.Contains(latest.Finalizers, finalizer) {
		return nil, nil, err
	}
	return latest, o.resource, nil
}

// finish removes a finalizer.
func (c *Collector) finish(ctx context.Context, r *resource, o *metav1.PartialObjectMetadata, finalizer string) error {
	kept := slices.DeleteFunc(slices.Clone(o.Finalizers), func(f string) bool { return f == finalizer })
	klog.FromContext(ctx).V(2).Info("Letting an owner go", "resource", r.Resource, "object", klog.KObj(o), "finalizer", finalizer)
	return c.patch(ctx, r, o, map[string]any{"finalizers": kept})
}

// scanForNode deletes what belongs to a node that has gone and is not followed.
func (c *Collector) scanForNode(ctx context.Context, node types.UID) (bool, error) {
	for _, name := range ofNodes {
		r := c.catalog.of(name)
		if r == nil {
			continue
		}
		list, err := c.list(ctx, r)
		if err != nil {
			return false, err
		}
		for i := range list.Items {
			o := &list.Items[i]
			if !slices.ContainsFunc(o.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == node }) {
				continue
			}
			if err := c.consider(ctx, r, o); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// list returns all objects of a resource.
func (c *Collector) list(ctx context.Context, r *resource) (*metav1.PartialObjectMetadataList, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	list, err := c.in(r, metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", r.GroupResource(), err)
	}
	return list, nil
}

// read returns an object as the storage has it. Nil means that it is not there, or
// another of its name.
func (c *Collector) read(ctx context.Context, r *resource, namespace, name string, uid types.UID) (*metav1.PartialObjectMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	o, err := c.in(r, namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s/%s: %w", r.Resource, namespace, name, err)
	}
	if o.UID != uid {
		return nil, nil
	}
	return o, nil
}

// patch changes the metadata of an object, if it is as it was read.
func (c *Collector) patch(ctx context.Context, r *resource, o *metav1.PartialObjectMetadata, change map[string]any) error {
	change["uid"], change["resourceVersion"] = o.UID, o.ResourceVersion
	raw, err := json.Marshal(map[string]any{"metadata": change})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = c.in(r, o.Namespace).Patch(ctx, o.Name, types.MergePatchType, raw, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Collector) in(r *resource, namespace string) metadata.ResourceInterface {
	if !r.namespaced {
		return c.metadata.Resource(r.GroupVersionResource)
	}
	return c.metadata.Resource(r.GroupVersionResource).Namespace(namespace)
}
