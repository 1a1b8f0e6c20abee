// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// The address plan. i is the cluster's index, n the number of the machine:
// 0 is the cloud, 1 is edge-1 and so on.
//
//	10.77.i.1       the host
//	10.77.i.10+n    machine n
//	10.77.i.254     the bridge: the machines' way to nowhere
//	10.244.n.0/24   the pods of machine n
//	10.96.0.0/16    Services
const (
	podCIDR     = "10.244.0.0/16"
	serviceCIDR = "10.96.0.0/16"
	cloudName   = "cloud"
	// maxIndex bounds the search for a free network.
	maxIndex = 255
)

func (s state) subnet() string   { return fmt.Sprintf("10.77.%d.0/24", s.Index) }
func (s state) hostIP() string   { return fmt.Sprintf("10.77.%d.1", s.Index) }
func (s state) bridgeIP() string { return fmt.Sprintf("10.77.%d.254", s.Index) }

func (s state) machineIP(n int) string { return fmt.Sprintf("10.77.%d.%d", s.Index, 10+n) }

func machinePodCIDR(n int) string { return fmt.Sprintf("10.244.%d.0/24", n) }

func machineName(n int) string {
	if n == 0 {
		return cloudName
	}
	return fmt.Sprintf("edge-%d", n)
}

// hostDevice is the host's end of the link into the cluster's network.
func (s state) hostDevice() string { return fmt.Sprintf("steppe%d", s.Index) }

func (s state) wanNamespace() string { return "steppe-" + s.Name + "-wan" }

func (s state) machineNamespace(machine string) string { return "steppe-" + s.Name + "-" + machine }

// cgroup is the control group of the cluster. Below it each machine has one,
// with the machine's own processes in "machine" and its pods in "kubepods".
func (s state) cgroup() string { return "/steppe-" + s.Name }

func (s state) machineCgroup(machine string) string { return s.cgroup() + "/" + machine }

// poolNames are the names of the pools. The first two are well known from
// OpenYurt's documentation.
func poolNames(count int) []string {
	names := []string{"hangzhou", "shanghai"}
	for i := len(names); i < count; i++ {
		names = append(names, fmt.Sprintf("pool-%d", i+1))
	}
	return names[:count]
}

// chooseIndex returns the lowest number whose network no other cluster and
// nothing else on this host uses.
func chooseIndex(used []int, taken []netip.Prefix) (int, error) {
	for i := range maxIndex {
		subnet := netip.MustParsePrefix(state{Index: i}.subnet())
		clash := slices.ContainsFunc(taken, func(p netip.Prefix) bool {
			// A wider route (a VPN's 10.0.0.0/8, the default) does not clash:
			// ours is more specific.
			return p.Overlaps(subnet) && p.Bits() >= subnet.Bits()
		})
		if !clash && !slices.Contains(used, i) {
			return i, nil
		}
	}
	return 0, errors.New("no network 10.77.x.0/24 is free on this host")
}

// hostPrefixes are the networks that the host's devices have.
func hostPrefixes() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			// Count the address, not its network: 10.77.0.1/16 takes one
			// address, which our more specific network would cover.
			prefixes = append(prefixes, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
			prefixes = append(prefixes, p.Masked())
		}
	}
	return prefixes, nil
}
