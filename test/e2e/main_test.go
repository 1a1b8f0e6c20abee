// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests Steppe on a real Kubernetes cluster with edge machines
// (package localcluster). It needs root, since machines are made of
// namespaces; without it all tests are skipped.
//
// All tests share one cluster of two edge nodes. Each leaves it as found:
// links healed, machines on, objects deleted. Set STEPPE_E2E_CLUSTER to the
// name of a running local cluster to use that one and to leave it running, or
// STEPPE_E2E_KEEP=1 to keep the tests' own after a failure.
//
// The tests' own is taken down at the end, when the time is over, and on
// SIGINT and SIGTERM; `make test-e2e` also does it when a test panics. What it
// leaves on the host fails the run.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
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
	// keepEnv keeps the tests' own cluster after a failure.
	keepEnv = "STEPPE_E2E_KEEP"
	// takeDownEnv makes the test binary a program that takes the tests' own
	// cluster down. Its value says why.
	takeDownEnv = "STEPPE_E2E_TAKE_DOWN"
	// ownCluster is the name of the cluster that the tests bring up.
	ownCluster = "e2e"
	// gracePeriod makes the cloud notice silent nodes sooner than the stock
	// 50 s. It is still several of the kubelet's heartbeats.
	gracePeriod = 20 * time.Second
	// takeDownTime is left of -timeout when the cluster is taken down.
	takeDownTime = time.Minute
)

// What the tests share. All are nil without root; call requireCluster first.
var (
	cluster *localcluster.Cluster
	client  kubernetes.Interface
	steppe  versioned.Interface
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil // every test skips and says why
	}
	if name := os.Getenv(clusterEnv); name != "" {
		if cluster, err = localcluster.Load(name); err != nil {
			return 1, err
		}
		return runOnCluster(m)
	}
	before := lookAtHost()
	if why := os.Getenv(takeDownEnv); why != "" {
		signal.Ignore(os.Interrupt, syscall.SIGTERM) // they were heard
		fmt.Fprintln(os.Stderr, "e2e:", why)
		return 1, takeDown(false, before)
	}
	go takeDownOnSignal()
	cluster, err = localcluster.Up(context.Background(), localcluster.Options{
		Name: ownCluster, Nodes: 2, Pools: 2, NodeMonitorGracePeriod: gracePeriod, Progress: os.Stderr,
	})
	if err == nil {
		code, err = runOnCluster(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err) // before the logs that explain it
		code = 1
	}
	return code, takeDown(code == 0, before)
}

func runOnCluster(m *testing.M) (code int, err error) {
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
	takeDownOnTimeout()
	return m.Run(), nil
}

// takeDown removes the tests' own cluster, with its logs saved if the tests
// failed, unless the failure is to be looked into.
func takeDown(passed bool, before host) error {
	own, err := localcluster.Load(ownCluster)
	if err != nil {
		own = nil // it never came so far
	}
	if !passed && own != nil {
		saveLogs(own)
		if os.Getenv(keepEnv) != "" {
			fmt.Fprintf(os.Stderr, "e2e: the cluster %[1]s is left running for you to look at; remove it with: make down CLUSTER=%[1]s\n", ownCluster)
			return nil
		}
	}
	if err := localcluster.Down(context.Background(), ownCluster, os.Stderr); err != nil || own == nil {
		return err
	}
	return before.checkWithout(own)
}

// saveLogs keeps what goes with the cluster, and prints so much of it that most
// failures can be understood from the output of the tests alone.
func saveLogs(own *localcluster.Cluster) {
	dir, err := os.MkdirTemp("", "steppe-e2e-logs-")
	if err == nil {
		err = own.SaveLogs(dir)
	}
	if err == nil {
		err = localcluster.TailSteppe(os.Stderr, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	fmt.Fprintln(os.Stderr, "e2e: the logs of all machines and pods are in", dir)
}

// takeDownOnSignal takes the cluster down in place of what else runs. The tests
// must not go on meanwhile: the cleanups of one that fails power machines on.
func takeDownOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	becomeTakeDown(fmt.Sprint("ended by the signal: ", <-signals))
}

// takeDownOnTimeout does so before the test binary panics because its time is
// over, and shows what the tests were doing.
func takeDownOnTimeout() {
	limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	if !ok || limit == 0 || os.Getenv(clusterEnv) != "" {
		return
	}
	time.AfterFunc(max(limit-takeDownTime, limit/2), func() {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		becomeTakeDown(fmt.Sprintf("the tests take longer than -timeout=%s allows", limit))
	})
}

// becomeTakeDown replaces this process, with all its goroutines, by one that
// takes the cluster down.
func becomeTakeDown(why string) {
	err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), takeDownEnv+"="+why))
	fmt.Fprintf(os.Stderr, "e2e: %s; the cluster %s is left behind: %v\n", why, ownCluster, err)
	os.Exit(1)
}

// requireCluster skips the test if there is no cluster.
func requireCluster(t *testing.T) {
	t.Helper()
	if cluster == nil {
		t.Skip("the local cluster needs root")
	}
}
