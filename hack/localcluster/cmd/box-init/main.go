// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command box-init is PID 1 in a machine of the local cluster. It is started by
// package localcluster, not by hand.
package main

import (
	"fmt"
	"os"

	"github.com/steppe-io/steppe/hack/localcluster/box"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: box-init SPEC")
		os.Exit(2)
	}
	if err := box.Main(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "box-init:", err)
		os.Exit(1)
	}
}
