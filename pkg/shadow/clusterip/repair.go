// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const (
	// repairInterval is how often records and Services are compared.
	repairInterval = 2 * time.Minute
	// leakGrace is for how long a record may have no holder: far longer than
	// any request lives that may still write the Service. It is measured by the
	// clock of this process alone, since those of machines differ.
	leakGrace = 10 * time.Minute
)

// leak is a record without a holder.
type leak struct {
	record string // address or port
	id     string // tells it from another record of the same
}

// Run repairs records until ctx is done. Each coordinator may run it.
func (a *Allocator) Run(ctx context.Context) {
	wait.JitterUntilWithContext(ctx, func(ctx context.Context) {
		if err := a.repair(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Info("Records of ClusterIPs and node ports were not all repaired, will try again", "period", repairInterval, "err", err)
		}
	}, repairInterval, 0.2, true)
}

// repair removes leaks, and records what Services hold without a record. What was
// read is only a reason to look again: the deletions and creations themselves are
// safe against anything that happens meanwhile.
func (a *Allocator) repair(ctx context.Context) error {
	records, err := a.listRecords(ctx)
	if err != nil {
		return fmt.Errorf("listing IPAddresses: %w", err)
	}
	ports, err := a.ports.list(ctx)
	if err != nil {
		return err
	}
	// Read after the records: who holds one now may have taken it since.
	services, err := a.listServices(ctx)
	if err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	return errors.Join(
		a.removeLeaks(ctx, records, ports, services),
		a.recordMissing(ctx, records, ports, services),
	)
}

func (a *Allocator) removeLeaks(ctx context.Context, records []networkingv1.IPAddress, ports map[int32]portRecord, services []corev1.Service) error {
	held := map[types.NamespacedName]holding{}
	for i := range services {
		held[keyOf(&services[i])] = holdingOf(&services[i])
	}
	a.forget(held)
	owners := map[leak]types.NamespacedName{}
	gone := map[leak]holding{}
	for i := range records {
		owner, ok := ownerOf(&records[i])
		addr, err := netip.ParseAddr(records[i].Name)
		if !ok || err != nil || held[owner].addresses.Has(addr) {
			continue
		}
		l := leak{records[i].Name, records[i].ResourceVersion}
		owners[l], gone[l] = owner, holding{addresses: sets.New(addr)}
	}
	for port, record := range ports {
		if held[record.owner].ports.Has(port) {
			continue
		}
		l := leak{strconv.Itoa(int(port)), strconv.FormatInt(record.revision, 10)}
		owners[l], gone[l] = record.owner, holding{ports: sets.New(port)}
	}
	var errs []error
	for _, l := range a.ripe(owners) {
		if _, err := a.release(ctx, owners[l], gone[l]); err != nil {
			errs = append(errs, err)
			continue
		}
		klog.FromContext(ctx).Info("Released what no Service holds", "record", l.record, "service", klog.KRef(owners[l].Namespace, owners[l].Name))
	}
	return errors.Join(errs...)
}

// forget drops what is remembered of Services that are gone.
func (a *Allocator) forget(held map[types.NamespacedName]holding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.gone, func(service types.NamespacedName, _ holding) bool {
		_, ok := held[service]
		return !ok
	})
}

// ripe returns the leaks that have been seen for long enough, and forgets those
// that are none any more.
func (a *Allocator) ripe(seen map[leak]types.NamespacedName) []leak {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	var ripe []leak
	leaks := make(map[leak]time.Time, len(seen))
	for l := range seen {
		since, ok := a.leaks[l]
		if !ok {
			since = now
		}
		leaks[l] = since
		if now.Sub(since) >= leakGrace {
			ripe = append(ripe, l)
		}
	}
	a.leaks = leaks
	return ripe
}

// recordMissing makes records for Services of the pool's ranges that have none.
func (a *Allocator) recordMissing(ctx context.Context, records []networkingv1.IPAddress, ports map[int32]portRecord, services []corev1.Service) error {
	owners := map[netip.Addr]types.NamespacedName{}
	for i := range records {
		if addr, err := netip.ParseAddr(records[i].Name); err == nil {
			owners[addr], _ = ownerOf(&records[i])
		}
	}
	var errs []error
	for i := range services {
		service := keyOf(&services[i])
		held := holdingOf(&services[i])
		for addr := range held.addresses {
			r := a.ranges[familyOf(addr)]
			owner, recorded := owners[addr]
			switch {
			case r == nil || !r.has(addr) || owner == service:
			case recorded:
				warnDouble(ctx, "ClusterIP", addr.String(), service, owner)
			default:
				_, err := a.createRecord(ctx, addr, service)
				if err != nil && !apierrors.IsAlreadyExists(err) {
					errs = append(errs, err)
				}
				owners[addr] = service
			}
		}
		for port := range held.ports {
			record, recorded := ports[port]
			switch {
			case !a.config.NodePorts.Contains(int(port)) || record.owner == service:
			case recorded:
				warnDouble(ctx, "node port", strconv.Itoa(int(port)), service, record.owner)
			default:
				if _, _, err := a.ports.create(ctx, service, []int32{port}, nil); err != nil {
					errs = append(errs, err)
				}
				ports[port] = portRecord{port: port, owner: service}
			}
		}
	}
	return errors.Join(errs...)
}

// warnDouble tells of what only a person can put right.
func warnDouble(ctx context.Context, kind, value string, service, owner types.NamespacedName) {
	klog.FromContext(ctx).Info("Service holds what is recorded for another, delete one of them if both exist",
		"kind", kind, "value", value, "service", klog.KRef(service.Namespace, service.Name), "recordedFor", klog.KRef(owner.Namespace, owner.Name))
}
