// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// probes is how many addresses are tried at random before the records are listed.
// That they are all taken, in a range that is half used, happens once in 256.
const probes = 8

// giveAddresses completes clusterIPs. Those that a Service has stay; validation
// refuses to change them.
func (a *Allocator) giveAddresses(ctx context.Context, service, old *corev1.Service, c *claim) error {
	if !needsAddress(service) || isHeadless(service) || old != nil && needsAddress(old) && isHeadless(old) {
		return nil
	}
	spec := &service.Spec
	ips := slices.Clone(spec.ClusterIPs)
	first := len(addresses(old))
	if old != nil && first < len(spec.IPFamilies) && !c.dryRun {
		var err error
		if c.left, err = a.leftBehind(ctx, c); err != nil {
			return err
		}
	}
	for i := first; i < len(spec.IPFamilies); i++ {
		if i == len(ips) {
			ips = append(ips, "")
		}
		ip, err := a.giveAddress(ctx, service, i, ips[i], c)
		if err != nil {
			return err
		}
		ips[i] = ip
	}
	spec.ClusterIPs = ips
	if len(ips) > 0 {
		spec.ClusterIP = ips[0]
	}
	return nil
}

// giveAddress gives the i-th address: the one that is asked for, or any.
func (a *Allocator) giveAddress(ctx context.Context, service *corev1.Service, i int, asked string, c *claim) (string, error) {
	family := service.Spec.IPFamilies[i]
	r, err := a.usableRange(service, family, asked)
	if err != nil {
		return "", err
	}
	if record := c.left[family]; asked == "" && record != nil && a.takeOver(ctx, record) == nil {
		return record.Name, nil
	}
	inUse, err := a.inUse(ctx, c)
	if err != nil {
		return "", err
	}
	if asked == "" {
		addr, err := a.giveAny(ctx, r, inUse.addresses, c)
		return addr.String(), err
	}
	path := clusterIPsPath.Index(i)
	addr, _ := parseAddr(asked) // setFamilies has seen that it is one
	if !r.has(addr) {
		return "", invalid(service, field.ErrorList{field.Invalid(path, asked, fmt.Sprintf("must be within the pool's own range %s: others are given in the cloud", r))})
	}
	taken := invalid(service, field.ErrorList{field.Invalid(path, asked, "is in use by another Service")})
	if inUse.addresses.Has(addr) {
		return "", taken
	}
	err = a.claimAddress(ctx, addr, c)
	if apierrors.IsAlreadyExists(err) {
		err = a.takeOverOwn(ctx, addr, c)
	}
	if err == nil {
		return asked, nil
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		return "", taken
	}
	return "", err
}

// usableRange returns the range of a family, or says why the pool cannot give
// anything of it.
func (a *Allocator) usableRange(service *corev1.Service, family corev1.IPFamily, asked string) (*addressRange, error) {
	addr, isAsked := parseAddr(asked)
	r := a.ranges[family]
	for _, cloud := range a.cloudRanges() {
		if isAsked && cloud.Contains(addr) {
			return nil, invalid(service, field.ErrorList{field.Invalid(clusterIPsPath, asked,
				fmt.Sprintf("is in the cloud's range %s: whether it is free only the cloud knows, so create the Service there, or leave the address to the pool", cloud))})
		}
		if r != nil && cloud.Overlaps(r.prefix) {
			return nil, invalid(service, field.ErrorList{field.Forbidden(clusterIPsPath,
				fmt.Sprintf("the pool's range %s overlaps %s, from which the cloud gives addresses: no address can be given on site until one of them is changed", r, cloud))})
		}
	}
	if r == nil {
		return nil, invalid(service, field.ErrorList{field.Forbidden(clusterIPsPath,
			"the pool has no range of addresses of its own: create the Service in the cloud, make it headless with clusterIP 'None', or give the pool a range")})
	}
	return r, nil
}

// giveAny gives a free address.
func (a *Allocator) giveAny(ctx context.Context, r *addressRange, inUse sets.Set[netip.Addr], c *claim) (netip.Addr, error) {
	for range probes {
		addr := r.random()
		if inUse.Has(addr) {
			continue
		}
		if err := a.claimAddress(ctx, addr, c); err == nil || !apierrors.IsAlreadyExists(err) {
			return addr, err
		}
	}
	records, err := a.listRecords(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	taken := inUse.Clone()
	for i := range records {
		if addr, err := netip.ParseAddr(records[i].Name); err == nil {
			taken.Insert(addr)
		}
	}
	for {
		addr, ok := r.free(taken.Has)
		if !ok {
			return netip.Addr{}, apierrors.NewInternalError(fmt.Errorf("no address of the pool's range %s is free: delete Services, or give the pool a larger range", r))
		}
		if err := a.claimAddress(ctx, addr, c); err == nil || !apierrors.IsAlreadyExists(err) {
			return addr, err
		}
		taken.Insert(addr)
	}
}

// claimAddress records that an address is given, and fails with AlreadyExists if
// it is. A dry run looks only.
func (a *Allocator) claimAddress(ctx context.Context, addr netip.Addr, c *claim) error {
	if c.dryRun {
		switch _, err := a.getRecord(ctx, addr); {
		case err == nil:
			return apierrors.NewAlreadyExists(ipAddresses, addr.String())
		case !apierrors.IsNotFound(err):
			return err
		}
		return nil
	}
	record, err := a.createRecord(ctx, addr, c.owner)
	if err == nil {
		c.addresses = append(c.addresses, record)
	}
	return err
}

// leftBehind returns records of addresses, one of each family, that a Service got
// and does not hold: an update that met a conflict is tried again, and must not
// take another address each time.
func (a *Allocator) leftBehind(ctx context.Context, c *claim) (map[corev1.IPFamily]*networkingv1.IPAddress, error) {
	records, err := a.listRecords(ctx)
	if err != nil {
		return nil, err
	}
	inUse, err := a.inUse(ctx, c)
	if err != nil {
		return nil, err
	}
	left := map[corev1.IPFamily]*networkingv1.IPAddress{}
	for i := range records {
		owner, ok := ownerOf(&records[i])
		addr, err := netip.ParseAddr(records[i].Name)
		if !ok || err != nil || owner != c.owner || inUse.addresses.Has(addr) {
			continue
		}
		if r := a.ranges[familyOf(addr)]; r != nil && r.has(addr) {
			left[familyOf(addr)] = &records[i]
		}
	}
	return left, nil
}

// takeOverOwn takes over the record of an address if it is the Service's own.
func (a *Allocator) takeOverOwn(ctx context.Context, addr netip.Addr, c *claim) error {
	taken := apierrors.NewAlreadyExists(ipAddresses, addr.String())
	record, err := a.getRecord(ctx, addr)
	if apierrors.IsNotFound(err) {
		return taken // it was a moment ago
	}
	if err != nil {
		return err
	}
	if owner, ok := ownerOf(record); !ok || owner != c.owner {
		return taken
	}
	if c.dryRun {
		return nil
	}
	return a.takeOver(ctx, record)
}

var ipAddresses = networkingv1.Resource("ipaddresses")
