// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// addressRange is a CIDR from which addresses are given: all but the network's
// own and, in IPv4, the broadcast address.
type addressRange struct {
	prefix netip.Prefix
	first  netip.Addr
	size   uint64
	// lower is how many addresses at the beginning are given last, so that they
	// are likely to be free for those who ask by number.
	lower uint64
}

func newAddressRange(prefix netip.Prefix) *addressRange {
	r := &addressRange{prefix: prefix, first: prefix.Addr().Next()}
	bits := prefix.Addr().BitLen() - prefix.Bits()
	if bits == 64 {
		r.size = math.MaxUint64
	} else {
		r.size = 1<<bits - 1
	}
	if prefix.Addr().Is4() {
		r.size--
	}
	r.lower = lowerBand(r.size, 16, 256)
	return r
}

func (r *addressRange) String() string { return r.prefix.String() }

// has tells addresses that may be given.
func (r *addressRange) has(addr netip.Addr) bool {
	return r.prefix.Contains(addr) && addr != r.prefix.Addr() && (addr.Is6() || offset(r.first, addr) < r.size)
}

func (r *addressRange) at(i uint64) netip.Addr { return plus(r.first, i) }

// random returns an address of the upper part.
func (r *addressRange) random() netip.Addr {
	return r.at(r.lower + rand.Uint64N(r.size-r.lower))
}

// free returns an address that is not taken: from a random one in the upper part
// onwards, then in the lower part. The number of steps is bounded by the number
// of those that are taken.
func (r *addressRange) free(taken func(netip.Addr) bool) (netip.Addr, bool) {
	if addr, ok := r.freeBetween(r.lower, r.size, taken); ok {
		return addr, true
	}
	return r.freeBetween(0, r.lower, taken)
}

func (r *addressRange) freeBetween(begin, end uint64, taken func(netip.Addr) bool) (netip.Addr, bool) {
	if begin == end {
		return netip.Addr{}, false
	}
	start := rand.Uint64N(end - begin)
	for i := range end - begin {
		// The sum may not fit into 64 bits, the sum of differences does.
		step := start + i
		if left := end - begin - start; i >= left {
			step = i - left
		}
		if addr := r.at(begin + step); !taken(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// plus adds to an address of a range, which never leaves the last 64 bits.
func plus(addr netip.Addr, n uint64) netip.Addr {
	if addr.Is4() {
		b := addr.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := addr.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	return netip.AddrFrom16(b)
}

// offset is how far an IPv4 address lies behind another.
func offset(from, to netip.Addr) uint64 {
	a, b := from.As4(), to.As4()
	return uint64(binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(a[:]))
}

// lowerBand is how much of a range is given last: a part of it, at least 16 and
// at most so many; nothing of a small range.
func lowerBand(size, part, most uint64) uint64 {
	if size <= 16 {
		return 0
	}
	return min(max(16, size/part), most)
}

// freePorts returns ports that are not taken, in random order, those of the lower
// part last.
func freePorts(ports utilnet.PortRange, taken func(int32) bool) []int32 {
	lower := int(lowerBand(uint64(ports.Size), 32, 128))
	var upperFree, lowerFree []int32
	for i := range ports.Size {
		port := int32(ports.Base + i)
		switch {
		case taken(port):
		case i < lower:
			lowerFree = append(lowerFree, port)
		default:
			upperFree = append(upperFree, port)
		}
	}
	for _, free := range [][]int32{upperFree, lowerFree} {
		rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	}
	return append(upperFree, lowerFree...)
}
