// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests Steppe on a real Kubernetes cluster with edge machines
// (package localcluster). It needs root, since machines are made of
// namespaces; without it all tests are skipped.
//
// All tests share one cluster of two edge nodes. Each leaves it as found:
// links healed, machines on, objects deleted. Set STEPPE_E2E_CLUSTER to the
// name of a running local cluster to use that one and to leave it running.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/generated/clientset/versioned"
	"github.com/steppe-io/steppe/hack/localcluster"
)

const (
	// clusterEnv names a cluster to reuse.
	clusterEnv = "STEPPE_E2E_CLUSTER"
	// ownCluster is the name of the cluster that the tests bring up.
	ownCluster = "e2e"
	// gracePeriod makes the cloud notice silent nodes sooner than the stock
	// 50 s. It is still several of the kubelet's heartbeats.
	gracePeriod = 20 * time.Second
)

// What the tests share. All are nil without root; call requireCluster first.
var (
	cluster *localcluster.Cluster
	client  kubernetes.Interface
	steppe  versioned.Interface
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil // every test skips and says why
	}
	if name := os.Getenv(clusterEnv); name != "" {
		cluster, err = localcluster.Load(name)
	} else {
		cluster, err = localcluster.Up(ctx, localcluster.Options{
			Name: ownCluster, Nodes: 2, Pools: 2, NodeMonitorGracePeriod: gracePeriod, Progress: os.Stderr,
		})
		defer func() {
			if downErr := down(code == 0 && err == nil); err == nil {
				err = downErr
			}
		}()
	}
	if err != nil {
		return 1, err
	}
	if client, err = cluster.Client(); err != nil {
		return 1, err
	}
	config, err := cluster.RESTConfig()
	if err != nil {
		return 1, err
	}
	if steppe, err = versioned.NewForConfig(config); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// down removes the tests' own cluster, unless a failure is to be looked into.
func down(passed bool) error {
	if !passed && os.Getenv("STEPPE_E2E_KEEP") != "" {
		fmt.Fprintf(os.Stderr, "e2e: the cluster %s is left running for you to look at; remove it with: make down CLUSTER=%s\n", ownCluster, ownCluster)
		return nil
	}
	return localcluster.Down(context.Background(), ownCluster, os.Stderr)
}

// requireCluster skips the test if there is no cluster.
func requireCluster(t *testing.T) {
	t.Helper()
	if cluster == nil {
		t.Skip("the local cluster needs root")
	}
}
