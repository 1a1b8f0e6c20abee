// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests yurt-apiserver behind a real kube-apiserver. It
// needs no root.
package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/test/cloud"
)

// patience bounds waits for what takes seconds on an idle machine.
const patience = 2 * time.Minute

// shared is what most tests use: one kube-apiserver and one yurt-apiserver with
// an embedded etcd. Tests that break a server start their own.
var shared *cloud.Cloud

func TestMain(m *testing.M) {
	cloud.Main()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "steppe-integration-")
	if err != nil {
		return 1, err
	}
	defer func() {
		if code == 0 {
			os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "Logs are in", dir)
		}
	}()
	ctx := context.Background()
	if shared, err = cloud.Start(ctx, controlplane.Config{Dir: dir}); err != nil {
		return 1, err
	}
	defer shared.Stop()
	server, err := shared.NewServer("shared", "--etcd-data-dir="+filepath.Join(dir, "shared"))
	if err != nil {
		return 1, err
	}
	if err := server.Start(); err != nil {
		return 1, err
	}
	if err := shared.Register(ctx, server.Port, server); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// newCloud starts a kube-apiserver, with further flags, for one test alone. The
// end of its log is shown if the test fails.
func newCloud(t *testing.T, args ...string) *cloud.Cloud {
	t.Helper()
	c, err := cloud.Start(t.Context(), controlplane.Config{Dir: shortDir(t), APIServerArgs: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(c.Log(binaries.KubeAPIServer))
			t.Logf("kube-apiserver:\n%s", log[max(0, len(log)-20_000):])
		}
	})
	return c
}

// newServer starts a yurt-apiserver. Its log is shown if the test fails.
func newServer(t *testing.T, c *cloud.Cloud, name string, args ...string) *cloud.Server {
	t.Helper()
	server, err := c.NewServer(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", name, server.Log())
		}
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	return server
}

func register(t *testing.T, c *cloud.Cloud, port int, servers ...*cloud.Server) {
	t.Helper()
	if err := c.Register(t.Context(), port, servers...); err != nil {
		t.Fatal(err)
	}
}

// shortDir is a temporary directory whose path is short enough for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "steppe-") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// eventually polls until check returns nil.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

// createPool creates a pool with a fresh name and deletes it after the test.
func createPool(t *testing.T, pool *v1beta2.NodePool) *v1beta2.NodePool {
	t.Helper()
	pools := shared.Steppe.AppsV1beta2().NodePools()
	if pool.Name == "" {
		pool.Name = poolName(t)
	}
	created, err := pools.Create(t.Context(), pool, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deleteLater(t, created.Name)
	return created
}

func deleteLater(t *testing.T, pool string) {
	t.Cleanup(func() {
		err := shared.Steppe.AppsV1beta2().NodePools().Delete(context.Background(), pool, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

func poolName(t *testing.T) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	return name[:min(len(name), 40)] + "-" + rand.String(5)
}

// createNode creates a Node that is a member of pool.
func createNode(t *testing.T, pool string) *corev1.Node {
	t.Helper()
	nodes := shared.Kubernetes.CoreV1().Nodes()
	node, err := nodes.Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "node-", Labels: map[string]string{apps.LabelNodePool: pool}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := nodes.Delete(context.Background(), node.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return node
}

func newServiceAccount(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
}
