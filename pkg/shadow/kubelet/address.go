// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// errAddress is within the error of each connection that was not tried.
var errAddress = errors.New("address not allowed")

// metadataAddresses are where clouds hand out credentials to whoever asks from
// inside, as far as they are not link-local.
var metadataAddresses = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
}

// checkAddress says whether a node or pod can have an address. It is asked about
// what names have been resolved to.
func checkAddress(address netip.Addr) error {
	address = address.Unmap()
	// The name of the method deceives: it holds for private addresses as well.
	if !address.IsGlobalUnicast() || slices.Contains(metadataAddresses, address.WithZone("")) {
		return fmt.Errorf("%w: neither nodes nor pods have %s", errAddress, address)
	}
	return nil
}
