// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"net/netip"
	"slices"
	"testing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
)

func TestRangeGivesEachAddressOnceAndTheLowerPartLast(t *testing.T) {
	for name, c := range map[string]struct {
		prefix      string
		size, lower int
		first, last string
	}{
		"tiny":            {"10.1.0.0/30", 2, 0, "10.1.0.1", "10.1.0.2"},
		"without a lower": {"10.1.0.16/28", 14, 0, "10.1.0.17", "10.1.0.30"},
		"small":           {"10.1.0.0/26", 62, 16, "10.1.0.1", "10.1.0.62"},
		"usual":           {"10.1.0.0/20", 4094, 255, "10.1.0.1", "10.1.15.254"},
		"large":           {"10.0.0.0/18", 16382, 256, "10.0.0.1", "10.0.63.254"},
		"IPv6":            {"fd00::/120", 255, 16, "fd00::1", "fd00::ff"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newAddressRange(netip.MustParsePrefix(c.prefix))
			if int(r.size) != c.size || int(r.lower) != c.lower {
				t.Fatalf("got size %d and lower part %d, want %d and %d", r.size, r.lower, c.size, c.lower)
			}
			var order []netip.Addr
			taken := sets.New[netip.Addr]()
			for {
				addr, ok := r.free(taken.Has)
				if !ok {
					break
				}
				if !r.has(addr) || taken.Has(addr) {
					t.Fatalf("got %s, which is taken or none of the range", addr)
				}
				taken.Insert(addr)
				order = append(order, addr)
			}
			if len(order) != c.size {
				t.Fatalf("got %d addresses, want %d", len(order), c.size)
			}
			for _, addr := range order[:c.size-c.lower] {
				if addr.Less(r.at(r.lower)) {
					t.Fatalf("%s of the lower part was given before the upper part was full", addr)
				}
			}
			if lowest, highest := slices.MinFunc(order, netip.Addr.Compare), slices.MaxFunc(order, netip.Addr.Compare); lowest.String() != c.first || highest.String() != c.last {
				t.Errorf("got %s to %s, want %s to %s", lowest, highest, c.first, c.last)
			}
		})
	}
}

func TestRangeOfAllThatFitsInto64Bits(t *testing.T) {
	r := newAddressRange(netip.MustParsePrefix("fd00:0:0:1::/64"))
	for range 1000 {
		addr, ok := r.free(func(netip.Addr) bool { return false })
		if random := r.random(); !ok || !r.has(addr) || !r.has(random) {
			t.Fatalf("got %s and %s, which are not both of the range", addr, random)
		}
	}
}

func TestRangeHasNeitherNetworkNorBroadcastAddress(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.1.0.0": false, "10.1.0.1": true, "10.1.0.254": true, "10.1.0.255": false, "10.1.1.0": false, "10.0.255.255": false, "fd00::1": false,
	} {
		if got := newAddressRange(netip.MustParsePrefix("10.1.0.0/24")).has(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %t, want %t", addr, got, want)
		}
	}
	for addr, want := range map[string]bool{"fd00::": false, "fd00::1": true, "fd00::ff": true, "fd00::100": false} {
		if got := newAddressRange(netip.MustParsePrefix("fd00::/120")).has(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %t, want %t", addr, got, want)
		}
	}
}

func TestRandomAddressesAreOfTheUpperPart(t *testing.T) {
	r := newAddressRange(netip.MustParsePrefix("10.1.0.0/26"))
	for range 1000 {
		if addr := r.random(); !r.has(addr) || addr.Less(r.at(r.lower)) {
			t.Fatalf("got %s", addr)
		}
	}
}

func TestFreePortsBeginWithTheUpperPart(t *testing.T) {
	free := freePorts(utilnet.PortRange{Base: 32000, Size: 64}, func(port int32) bool { return port == 32001 || port == 32063 })
	if len(free) != 62 || slices.Contains(free, 32001) || slices.Contains(free, 32063) {
		t.Fatalf("got %d ports: %v", len(free), free)
	}
	if lowest := slices.Min(free[:47]); lowest < 32016 {
		t.Errorf("port %d of the lower part came before the upper part", lowest)
	}
	if free := freePorts(utilnet.PortRange{}, nil); len(free) != 0 {
		t.Errorf("got %v of no range", free)
	}
}

func TestConfigIsChecked(t *testing.T) {
	prefixes := func(list ...string) []netip.Prefix {
		var out []netip.Prefix
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	cloud := func() []netip.Prefix { return prefixes("10.96.0.0/16", "fd00:10:96::/112") }
	for name, c := range map[string]struct {
		config Config
		ok     bool
	}{
		"nothing":              {Config{}, true},
		"both families":        {Config{Ranges: prefixes("10.112.0.0/24", "fd00::/112"), NodePorts: utilnet.PortRange{Base: 32000, Size: 768}, CloudRanges: cloud}, true},
		"one family twice":     {Config{Ranges: prefixes("10.112.0.0/24", "10.113.0.0/24")}, false},
		"host bits":            {Config{Ranges: prefixes("10.112.0.1/24")}, false},
		"too small":            {Config{Ranges: prefixes("10.112.0.0/31")}, false},
		"too small in IPv6":    {Config{Ranges: prefixes("fd00::/127")}, false},
		"too large in IPv6":    {Config{Ranges: prefixes("fd00::/63")}, false},
		"no range":             {Config{Ranges: []netip.Prefix{{}}}, false},
		"within the cloud's":   {Config{Ranges: prefixes("10.96.128.0/24"), CloudRanges: cloud}, false},
		"around the cloud's":   {Config{Ranges: prefixes("10.0.0.0/8"), CloudRanges: cloud}, false},
		"ports that are none":  {Config{NodePorts: utilnet.PortRange{Base: 65530, Size: 10}}, false},
		"ports that begin low": {Config{NodePorts: utilnet.PortRange{Base: 0, Size: 10}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(c.config); (err == nil) != c.ok {
				t.Errorf("got %v, want ok %t", err, c.ok)
			}
		})
	}
}
