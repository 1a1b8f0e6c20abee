// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

const (
	// managedBy marks the IPAddresses that are this package's to delete.
	managedBy = "pool-coordinator"
	// claimAnnotation is changed by each request that takes over an IPAddress.
	claimAnnotation = "pool.openyurt.io/claim"
)

// The stores name the resource of the request in their errors, and take the
// namespace from the context.
func within(ctx context.Context, resource schema.GroupResource, namespace string) context.Context {
	ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{
		IsResourceRequest: true, APIGroup: resource.Group, APIVersion: "v1", Resource: resource.Resource, Namespace: namespace,
	})
	return genericapirequest.WithNamespace(ctx, namespace)
}

// getService returns a Service as it is now, nil if there is none.
func (a *Allocator) getService(ctx context.Context, key types.NamespacedName) (*corev1.Service, error) {
	if key.Name == "" {
		return nil, nil // the owner in a record that cannot be read
	}
	obj, err := a.config.Services.Get(within(ctx, corev1.Resource("services"), key.Namespace), key.Name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Service), nil
}

// listServices returns all Services as they are now.
func (a *Allocator) listServices(ctx context.Context) ([]corev1.Service, error) {
	obj, err := a.config.Services.List(within(ctx, corev1.Resource("services"), metav1.NamespaceAll), &internalversion.ListOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.ServiceList).Items, nil
}

// inUse is what all Services of the pool hold. Those from the cloud have no
// records here.
func (a *Allocator) inUse(ctx context.Context, c *claim) (holding, error) {
	if c.inUse != nil {
		return *c.inUse, nil
	}
	services, err := a.listServices(ctx)
	if err != nil {
		return holding{}, err
	}
	all := make([]*corev1.Service, len(services))
	for i := range services {
		all[i] = &services[i]
	}
	held := holdingOf(all...)
	c.inUse = &held
	return held, nil
}

func (a *Allocator) createRecord(ctx context.Context, addr netip.Addr, owner types.NamespacedName) (*networkingv1.IPAddress, error) {
	record := &networkingv1.IPAddress{
		ObjectMeta: metav1.ObjectMeta{
			Name: addr.String(),
			Labels: map[string]string{
				networkingv1.LabelIPAddressFamily: string(familyOf(addr)),
				networkingv1.LabelManagedBy:       managedBy,
			},
		},
		Spec: networkingv1.IPAddressSpec{
			ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: owner.Namespace, Name: owner.Name},
		},
	}
	obj, err := a.config.Addresses.Create(within(ctx, ipAddresses, metav1.NamespaceNone), record, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*networkingv1.IPAddress), nil
}

func (a *Allocator) getRecord(ctx context.Context, addr netip.Addr) (*networkingv1.IPAddress, error) {
	obj, err := a.config.Addresses.Get(within(ctx, ipAddresses, metav1.NamespaceNone), addr.String(), &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*networkingv1.IPAddress), nil
}

func (a *Allocator) listRecords(ctx context.Context) ([]networkingv1.IPAddress, error) {
	obj, err := a.config.Addresses.List(within(ctx, ipAddresses, metav1.NamespaceNone), &internalversion.ListOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*networkingv1.IPAddressList).Items, nil
}

// takeOver makes a record another one to all who have read it. It fails with
// Conflict or NotFound if somebody else has changed or deleted it.
func (a *Allocator) takeOver(ctx context.Context, record *networkingv1.IPAddress) error {
	taken := record.DeepCopy()
	if taken.Annotations == nil {
		taken.Annotations = map[string]string{}
	}
	taken.Annotations[claimAnnotation] = string(uuid.NewUUID())
	_, _, err := a.config.Addresses.Update(within(ctx, ipAddresses, metav1.NamespaceNone), record.Name, rest.DefaultUpdatedObjectInfo(taken),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	return err
}

// deleteRecord deletes the record as it was read, not one that has been made or
// taken over since.
func (a *Allocator) deleteRecord(ctx context.Context, record *networkingv1.IPAddress) error {
	_, _, err := a.config.Addresses.Delete(within(ctx, ipAddresses, metav1.NamespaceNone), record.Name, rest.ValidateAllObjectFunc,
		&metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &record.UID, ResourceVersion: &record.ResourceVersion}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("deleting IPAddress %s: %w", record.Name, err)
}

// ownerOf returns the Service that a record of this package names.
func ownerOf(record *networkingv1.IPAddress) (types.NamespacedName, bool) {
	ref := record.Spec.ParentRef
	if record.Labels[networkingv1.LabelManagedBy] != managedBy || ref == nil || ref.Group != "" || ref.Resource != "services" {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, true
}

// release deletes the records of what a Service held, except for what it does
// hold, which it returns. The records are read before the Service: one that the
// Service takes over in between is not deleted.
func (a *Allocator) release(ctx context.Context, owner types.NamespacedName, gone holding) (kept holding, err error) {
	c := &claim{owner: owner}
	for addr := range gone.addresses {
		record, err := a.getRecord(ctx, addr)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return gone, err
		}
		if by, ok := ownerOf(record); ok && by == owner {
			c.addresses = append(c.addresses, record)
		}
	}
	for port := range gone.ports {
		record, ok, err := a.ports.get(ctx, port)
		if err != nil {
			return gone, err
		}
		if ok && record.owner == owner {
			c.ports = append(c.ports, record)
		}
	}
	now, err := a.giveBack(ctx, c)
	return gone.without(gone.without(now)), err
}

// giveBack deletes the records of a claim, unless the Service holds what they are
// for: a write that was reported as failed may have been done. It returns what
// the Service holds.
func (a *Allocator) giveBack(ctx context.Context, c *claim) (holding, error) {
	service, err := a.getService(ctx, c.owner)
	if err != nil {
		return newHolding(), err
	}
	held := holdingOf(service)
	for _, record := range c.addresses {
		if addr, err := netip.ParseAddr(record.Name); err == nil && held.addresses.Has(addr) {
			continue
		}
		if err := a.deleteRecord(ctx, record); err != nil {
			return held, err
		}
	}
	for _, record := range c.ports {
		if held.ports.Has(record.port) {
			continue
		}
		if err := a.ports.delete(ctx, record); err != nil {
			return held, err
		}
	}
	return held, nil
}
