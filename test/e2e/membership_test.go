// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// soon is more than a busy machine needs to count a node; how long it took is
// in the log. We promise 2 s, and an idle machine needs a few hundred
// milliseconds.
const soon = 30 * time.Second

// A node changes its pool by its label alone: whoever lists pools sees it in
// the new one, and no longer in the old one, at once; and in none once the
// label is gone.
func TestNodeChangesPool(t *testing.T) {
	requirePools(t)
	m := cluster.Edge(1)
	join(t, m, shanghai)
	took := eventually(t, "counts of both pools after a move", both(counts(hangzhou, 0, 0), counts(shanghai, 2, 0, "edge-1", "edge-2")))
	if err := setPool(t.Context(), m.Name, ""); err != nil {
		t.Fatal(err)
	}
	took = max(took, eventually(t, "counts after the label is gone", counts(shanghai, 1, 0, "edge-2")))
	if err := setPool(t.Context(), m.Name, hangzhou); err != nil {
		t.Fatal(err)
	}
	took = max(took, eventually(t, "counts after the return", poolsAsNew))
	if took > soon {
		t.Errorf("it took %s to count a node, want at most %s", took, soon)
	}
}

// A site that goes dark shows in its pool, whether its machines lost power or
// its link is cut: its nodes remain members and count as unready, until they
// are heard of again.
func TestPoolCountsSilentNodes(t *testing.T) {
	requirePools(t)
	dark, cut := cluster.Edge(1), cluster.Edge(2)
	healAtEnd(t, dark)
	healAtEnd(t, cut)
	if err := dark.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cut.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both nodes count as unready", both(counts(hangzhou, 0, 1, "edge-1"), counts(shanghai, 0, 1, "edge-2")))
	if err := dark.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cut.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both nodes count as ready", poolsAsNew)
}

// A pool cannot be deleted from under its nodes, as they would lose its taints
// and labels. The refusal says which nodes there are and how to take them out.
func TestPoolWithNodesStays(t *testing.T) {
	requirePools(t)
	const name = "e2e-leaving"
	pool := createPool(t, name, appsv1beta2.NodePoolSpec{})
	join(t, cluster.Edge(1), name)

	said, err := kubectl(t, "", "delete", "nodepool", name)
	if err == nil {
		t.Fatalf("the pool of edge-1 was deleted: %s", said)
	}
	for _, want := range []string{"Conflict", "still has nodes (edge-1)", "kubectl label node <name> apps.openyurt.io/nodepool-"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the refusal does not say %q: %v", want, err)
		}
	}
	if after, err := getPool(t, name); err != nil || after.UID != pool.UID || after.DeletionTimestamp != nil {
		t.Errorf("after the refusal the pool is %+v, %v", after, err)
	}

	if err := setPool(t.Context(), "edge-1", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(t, "", "delete", "nodepool", name); err != nil {
		t.Errorf("an empty pool is not deleted: %v", err)
	}
	if _, err := getPool(t, name); !apierrors.IsNotFound(err) {
		t.Errorf("a deleted pool is got with %v", err)
	}
}
