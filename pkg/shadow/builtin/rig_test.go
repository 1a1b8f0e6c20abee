// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"testing"

	"github.com/steppe-io/steppe/test/testcluster"
)

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
