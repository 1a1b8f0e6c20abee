// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// readyTimeout bounds each wait of Up; on an idle machine each takes
	// seconds.
	readyTimeout = 3 * time.Minute
	// apiPollInterval of questions to the API server.
	apiPollInterval = 200 * time.Millisecond
)

// waitAPIServer waits for the API server, and explains with what its machine
// runs if it does not come.
func (u *up) waitAPIServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := u.plan.WaitReady(ctx)
	if err == nil {
		return nil
	}
	processes, _ := u.Cloud().Processes()
	var lines []string
	for _, p := range processes {
		lines = append(lines, fmt.Sprintf("%s is %s after %d restarts (%s)", p.Name, p.State, p.Restarts, p.LastExit))
	}
	return fmt.Errorf("%w\n%s", err, strings.Join(lines, "\n"))
}

// settleNodes waits until all nodes are registered and Ready, with what the
// kubelets themselves may not set, and removes those of surplus machines.
func (u *up) settleNodes(ctx context.Context) error {
	client, err := u.Client()
	if err != nil {
		return err
	}
	surplus, err := u.surplus()
	if err != nil {
		return err
	}
	for _, m := range surplus {
		u.printf("          %s is removed with its disk: the cluster has %d edge nodes now\n", m.Name, u.Nodes)
		if err := m.remove(ctx, client); err != nil {
			return fmt.Errorf("remove %s: %w", m.Name, err)
		}
	}
	for _, m := range u.Machines() {
		if err := m.settle(ctx, client); err != nil {
			return err
		}
	}
	if err := u.WaitNodesReady(ctx); err != nil {
		return err
	}
	return waitDefaultServiceAccount(ctx, client)
}

// settle waits for the machine's node object and completes it.
func (m *Machine) settle(ctx context.Context, client kubernetes.Interface) error {
	labels := map[string]string{}
	if m.IsCloud() {
		labels[labelControlPlane] = ""
	}
	patch, err := json.Marshal(object{
		"metadata": object{"labels": labels},
		"spec":     object{"podCIDR": m.PodCIDR(), "podCIDRs": []string{m.PodCIDR()}},
	})
	if err != nil {
		return err
	}
	err = poll(ctx, func(ctx context.Context) error {
		_, err := client.CoreV1().Nodes().Patch(ctx, m.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the kubelet of %s to register (see %s): %w", m.Name, m.Log("kubelet"), err)
	}
	return nil
}

// WaitNodesReady waits until the nodes of all machines are Ready.
func (c *Cluster) WaitNodesReady(ctx context.Context) error {
	for _, m := range c.Machines() {
		if err := m.WaitReady(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

// WaitReady waits until the API server sees the machine's node as Ready, or
// as not Ready. What the kubelet said before the machine's last boot does not
// count as Ready.
func (m *Machine) WaitReady(ctx context.Context, ready bool) error {
	client, err := m.cluster.Client()
	if err != nil {
		return err
	}
	err = poll(ctx, func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, m.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		condition := readyCondition(node)
		if ready && condition.LastHeartbeatTime.Time.Before(m.bootTime()) {
			return fmt.Errorf("no word from the kubelet since the boot at %s", m.bootTime())
		}
		if (condition.Status == corev1.ConditionTrue) != ready {
			return fmt.Errorf("condition Ready is %q: %s", condition.Status, condition.Message)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for node %s to be ready=%t (see %s): %w", m.Name, ready, m.Log("kubelet"), err)
	}
	return nil
}

func readyCondition(node *corev1.Node) corev1.NodeCondition {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c
		}
	}
	return corev1.NodeCondition{Status: corev1.ConditionUnknown, Message: "not reported yet"}
}

// waitDefaultServiceAccount waits until pods can be created.
func waitDefaultServiceAccount(ctx context.Context, client kubernetes.Interface) error {
	return poll(ctx, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// poll asks until there is no error. When the time is over, the error holds
// the last answer.
func poll(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, apiPollInterval, true, func(ctx context.Context) (bool, error) {
		err := ask(ctx)
		if err != nil && ctx.Err() == nil {
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w; the last answer was: %w", err, last)
	}
	return nil
}
