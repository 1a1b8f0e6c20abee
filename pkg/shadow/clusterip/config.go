// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"
)

// Config says what may be given and where it is recorded.
type Config struct {
	// Ranges are what ClusterIPs are given from: one or none of each family,
	// that of the default family first. They must be the pool's alone.
	Ranges []netip.Prefix
	// NodePorts are what node ports are given from. They must be the pool's
	// alone. Size 0 means that there are none.
	NodePorts utilnet.PortRange
	// CloudRanges returns what the cloud gives ClusterIPs from, as far as it is
	// known now. Nothing of it is given on site, even if it is in Ranges. Nil
	// means that it is not known.
	CloudRanges func() []netip.Prefix

	// Services is the store of Services. It is read only.
	Services Reader
	// Addresses is the store of IPAddresses.
	Addresses Store
	// Etcd keeps the node ports that are given, under Prefix. All coordinators
	// of a pool must use the same.
	Etcd   clientv3.KV
	Prefix string

	// Clock is for tests. Nil means the real one.
	Clock clock.PassiveClock
}

// Reader reads objects.
type Reader interface {
	rest.Getter
	rest.Lister
}

// Store reads and writes objects.
type Store interface {
	Reader
	rest.Creater
	rest.Updater
	rest.GracefulDeleter
}

const (
	// longestV4 and longestV6 are the smallest ranges that are of use.
	longestV4, longestV6 = 30, 126
	// shortestV6 is the largest range that can be counted in 64 bits.
	shortestV6 = 64
)

// Allocator gives out addresses and ports.
type Allocator struct {
	config   Config
	clock    clock.PassiveClock
	families []corev1.IPFamily // of ranges, the default one first
	ranges   map[corev1.IPFamily]*addressRange
	ports    *portRecords

	mu sync.Mutex // guards the fields below
	// gone has, per Service, what updates have given up that may not have been
	// written yet. Repair forgets it for Services that are gone, which bounds it.
	gone map[types.NamespacedName]holding
	// leaks says since when a record has been seen to have no holder.
	leaks map[leak]time.Time
}

// New returns an allocator, or says all that is wrong with the configuration.
func New(config Config) (*Allocator, error) {
	a := &Allocator{
		config: config,
		clock:  config.Clock,
		ranges: map[corev1.IPFamily]*addressRange{},
		ports:  &portRecords{etcd: config.Etcd, prefix: config.Prefix},
		gone:   map[types.NamespacedName]holding{},
		leaks:  map[leak]time.Time{},
	}
	if a.clock == nil {
		a.clock = clock.RealClock{}
	}
	var errs []error
	for _, prefix := range config.Ranges {
		if err := a.addRange(prefix); err != nil {
			errs = append(errs, err)
		}
	}
	if ports := config.NodePorts; ports.Size != 0 && (ports.Base < 1 || ports.Size < 0 || ports.Base+ports.Size-1 > 65535) {
		errs = append(errs, fmt.Errorf("range of node ports %d+%d must be within 1-65535", ports.Base, ports.Size))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// knownFamilies are those of the pool. A pool that gives no addresses has those of
// the cloud: headless Services have families too.
func (a *Allocator) knownFamilies() []corev1.IPFamily {
	if len(a.families) > 0 {
		return a.families
	}
	var families []corev1.IPFamily
	for _, cloud := range a.cloudRanges() {
		if family := familyOf(cloud.Addr()); !slices.Contains(families, family) {
			families = append(families, family)
		}
	}
	if len(families) == 0 {
		return []corev1.IPFamily{corev1.IPv4Protocol}
	}
	return families
}

func (a *Allocator) addRange(prefix netip.Prefix) error {
	family := familyOf(prefix.Addr())
	switch {
	case !prefix.IsValid() || prefix != prefix.Masked():
		return fmt.Errorf("range of ClusterIPs %s must be a CIDR without host bits, such as 10.112.0.0/16", prefix)
	case a.ranges[family] != nil:
		return fmt.Errorf("range of ClusterIPs %s must not be of the same family as %s", prefix, a.ranges[family])
	case family == corev1.IPv4Protocol && prefix.Bits() > longestV4:
		return fmt.Errorf("range of ClusterIPs %s must have a length of %d or less", prefix, longestV4)
	case family == corev1.IPv6Protocol && (prefix.Bits() < shortestV6 || prefix.Bits() > longestV6):
		return fmt.Errorf("range of ClusterIPs %s must have a length of %d to %d", prefix, shortestV6, longestV6)
	}
	for _, cloud := range a.cloudRanges() {
		if cloud.Overlaps(prefix) {
			return fmt.Errorf("range of ClusterIPs %s must not overlap %s, from which the cloud gives addresses", prefix, cloud)
		}
	}
	a.ranges[family] = newAddressRange(prefix)
	a.families = append(a.families, family)
	return nil
}

func (a *Allocator) cloudRanges() []netip.Prefix {
	if a.config.CloudRanges == nil {
		return nil
	}
	return a.config.CloudRanges()
}

// Attach has the store of Services use the allocator. The store of their status
// needs AfterDelete alone: an update of it may delete a Service by taking away
// its last finalizer.
func (a *Allocator) Attach(services *genericregistry.Store) {
	services.BeginCreate = a.BeginCreate
	services.BeginUpdate = a.BeginUpdate
	services.AfterUpdate = a.AfterUpdate
	services.AfterDelete = a.AfterDelete
}

func familyOf(addr netip.Addr) corev1.IPFamily {
	if addr.Unmap().Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

func otherFamily(family corev1.IPFamily) corev1.IPFamily {
	if family == corev1.IPv4Protocol {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}
