// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/hack/localcluster"
)

// The pools of a new local cluster: edge-1 is in the first, edge-2 in the
// second.
const (
	hangzhou = "hangzhou"
	shanghai = "shanghai"
)

// marker begins all labels, annotations and taints that tests put on nodes.
const marker = "e2e.example.com/"

// requirePools skips the test if there is no cluster, and waits until Steppe
// counts the cluster's nodes as in a new cluster.
func requirePools(t *testing.T) {
	t.Helper()
	requireCluster(t)
	eventually(t, "the pools are as in a new cluster", poolsAsNew)
}

// poolsAsNew checks that the pools are those of a new cluster.
func poolsAsNew(ctx context.Context) error {
	return errors.Join(counts(hangzhou, 1, 0, "edge-1")(ctx), counts(shanghai, 1, 0, "edge-2")(ctx))
}

// counts returns a check of what the status of a pool says.
func counts(pool string, ready, unready int32, nodes ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := steppe.AppsV1beta2().NodePools().Get(ctx, pool, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if s := p.Status; s.ReadyNodeNum != ready || s.UnreadyNodeNum != unready || !slices.Equal(s.Nodes, nodes) {
			return fmt.Errorf("pool %s counts %d ready and %d unready nodes, %q", pool, s.ReadyNodeNum, s.UnreadyNodeNum, s.Nodes)
		}
		return nil
	}
}

// counted returns a check that a pool counts a node.
func counted(pool, node string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := steppe.AppsV1beta2().NodePools().Get(ctx, pool, metav1.GetOptions{})
		if err == nil && !slices.Contains(p.Status.Nodes, node) {
			err = fmt.Errorf("pool %s counts %q", pool, p.Status.Nodes)
		}
		return err
	}
}

func getPool(t *testing.T, name string) (*appsv1beta2.NodePool, error) {
	t.Helper()
	return steppe.AppsV1beta2().NodePools().Get(t.Context(), name, metav1.GetOptions{})
}

// both returns a check that holds when two others do.
func both(first, second func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return errors.Join(first(ctx), second(ctx)) }
}

// createPool creates a pool and deletes it with the test. Nodes must have left
// it by then.
func createPool(t *testing.T, name string, spec appsv1beta2.NodePoolSpec) *appsv1beta2.NodePool {
	t.Helper()
	deletePoolAtEnd(t, name)
	pool, err := steppe.AppsV1beta2().NodePools().Create(t.Context(), &appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// deletePoolAtEnd deletes a pool that the test is about to create, with the
// test and also now, as a test that was killed may have left it.
func deletePoolAtEnd(t *testing.T, name string) {
	t.Helper()
	remove := func(ctx context.Context) error {
		if err := steppe.AppsV1beta2().NodePools().Delete(ctx, name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	}
	if err := await(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := await(context.Background(), remove); err != nil {
			t.Errorf("delete pool %s: %v", name, err)
		}
	})
}

// setPool moves a node to a pool, as kubectl label does. An empty name takes it
// out of its pool.
func setPool(ctx context.Context, node, pool string) error {
	value := any(pool)
	if pool == "" {
		value = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{apps.LabelNodePool: value}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// join is setPool for tests. The node returns to where it was with the test.
func join(t *testing.T, m *localcluster.Machine, pool string) {
	t.Helper()
	node, err := client.CoreV1().Nodes().Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	home := node.Labels[apps.LabelNodePool]
	t.Cleanup(func() {
		back := func(ctx context.Context) error { return setPool(ctx, m.Name, home) }
		if err := errors.Join(await(context.Background(), back), await(context.Background(), counted(home, m.Name))); err != nil {
			t.Errorf("take %s back to pool %q: %v", m.Name, home, err)
		}
	})
	if err := setPool(t.Context(), m.Name, pool); err != nil {
		t.Fatal(err)
	}
}

// kubectl runs the cluster's kubectl as a user does who has not used it before,
// and returns what it printed.
func kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := kubectlCommand(t, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// kubectlCommand returns a command that ends with the test at the latest.
func kubectlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(cluster.BinDir(), "kubectl"),
		append([]string{"--kubeconfig=" + cluster.Kubeconfig(), "--cache-dir=" + t.TempDir()}, args...)...)
	cmd.Env = cluster.Env()
	return cmd
}

// Steppe's programs, by the names of their Deployments and containers.
const (
	yurtAPIServer = "yurt-apiserver"
	yurtManager   = "yurt-manager"
)

// podOf returns the only pod of one of Steppe's programs.
func podOf(ctx context.Context, program string) (*corev1.Pod, error) {
	list, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + program})
	if err != nil {
		return nil, err
	}
	if len(list.Items) != 1 || len(list.Items[0].Status.ContainerStatuses) != 1 {
		return nil, fmt.Errorf("%s has %d pods, or its container is not known yet", program, len(list.Items))
	}
	return &list.Items[0], nil
}

// restarted returns a check that the pod is Ready after a restart of the
// container.
func restarted(before *corev1.Pod) func(context.Context) error {
	restarts := before.Status.ContainerStatuses[0].RestartCount
	return func(ctx context.Context) error {
		pod, err := client.CoreV1().Pods(before.Namespace).Get(ctx, before.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return podReady(pod, restarts+1)
	}
}
