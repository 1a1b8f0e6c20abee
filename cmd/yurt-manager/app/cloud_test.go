// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/test/cloud"
	"github.com/steppe-io/steppe/test/testcluster"
)

// TestWithYurtAPIServer runs yurt-manager with the server that it is made for:
// installed after it, killed under it, and back again.
func TestWithYurtAPIServer(t *testing.T) {
	testcluster.Need(t, cluster)
	dir, err := os.MkdirTemp("", "steppe-") //nolint:usetesting // the path of t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := cloud.Start(t.Context(), controlplane.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	clients, err := testcluster.NewClient(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	nodes := &testcluster.Cluster{ControlPlane: c.ControlPlane, Client: clients}

	p := start(t, c.RESTConfig())
	p.probe("/readyz", http.StatusInternalServerError)
	if err := clients.List(t.Context(), &appsv1beta2.NodePoolList{}); !meta.IsNoMatchError(err) {
		t.Fatalf("NodePools are served already: %v", err)
	}
	server, err := c.NewServer("manager", "--etcd-data-dir="+filepath.Join(dir, "yurt-apiserver"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("yurt-apiserver:\n%s", server.Log())
		}
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Register(t.Context(), server.Port, server); err != nil {
		t.Fatal(err)
	}
	p.probe("/readyz", http.StatusOK)

	counted := func(want ...string) {
		t.Helper()
		testcluster.Eventually(t, func() error {
			pool := &appsv1beta2.NodePool{}
			pool.Name = "real"
			if err := clients.Get(t.Context(), client.ObjectKeyFromObject(pool), pool); err != nil {
				return err
			}
			if !slices.Equal(pool.Status.Nodes, want) || int(pool.Status.UnreadyNodeNum) != len(want) {
				return fmt.Errorf("the pool has the status %+v", pool.Status)
			}
			return nil
		})
	}
	labelled := func(node, value string) {
		t.Helper()
		testcluster.Eventually(t, func() error {
			if got := nodes.Node(t, node).Labels["example.com/tier"]; got != value {
				return fmt.Errorf("the label of %s is %q", node, got)
			}
			return nil
		})
	}

	pool := &appsv1beta2.NodePool{}
	pool.Name, pool.Spec = "real", gold
	if err := clients.Create(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	nodes.CreateNode(t, "real-0", "real")
	nodes.CreateNode(t, "real-1", "")
	counted("real-0")
	labelled("real-0", "gold")
	begin := time.Now()
	nodes.Label(t, "real-1", apps.LabelNodePool, "real")
	counted("real-0", "real-1")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the counts took %v to change, want at most 2 s", took)
	} else {
		t.Logf("the counts took %v to change", took)
	}

	server.Kill()
	nodes.Label(t, "real-1", apps.LabelNodePool, "")
	labelled("real-1", "") // what the pool gave is in the record on the node
	nodes.CreateNode(t, "real-2", "real")
	labelled("real-2", "gold")
	labelled("real-0", "gold")
	p.probe("/healthz", http.StatusOK)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	counted("real-0", "real-2")

	nodes.Label(t, "real-0", apps.LabelNodePool, "")
	nodes.Label(t, "real-2", apps.LabelNodePool, "")
	counted()
	if err := clients.Delete(t.Context(), pool); err != nil {
		t.Errorf("delete the empty pool: %v", err)
	}
}
