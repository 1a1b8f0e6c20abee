// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/hack/localcluster"
)

const (
	// patience bounds every wait. It is far more than anything takes on an
	// idle machine, so that a busy one does not fail the tests.
	patience = 3 * time.Minute
	// interval between two looks.
	interval = 50 * time.Millisecond
)

// eventually waits until check returns no error, and fails the test with its
// last one if that takes too long. It returns how long it took.
func eventually(t *testing.T, what string, check func(context.Context) error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := await(t.Context(), check); err != nil {
		t.Fatalf("waited %s for: %s; the last answer was: %v", time.Since(start).Round(time.Second), what, err)
	}
	took := time.Since(start)
	t.Logf("%s after %s", what, took.Round(10*time.Millisecond))
	return took
}

// await is eventually for when there is more to do after a failure, as at the
// end of a test, when its context has ended.
func await(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, cancelAttempt := context.WithTimeout(ctx, 20*time.Second)
		err := check(attempt)
		cancelAttempt()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(interval):
		}
	}
}

// runPod creates a pod of the test image on the machine and deletes it with
// the test.
func runPod(t *testing.T, m *localcluster.Machine, name string, args ...string) *corev1.Pod {
	t.Helper()
	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	noGrace := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	_ = pods.Delete(t.Context(), name, noGrace) // of a test that was killed
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeName:    m.Name,
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers: []corev1.Container{{
				Name: "main", Image: localcluster.TestImage, Args: args,
				ReadinessProbe: httpProbe(args),
			}},
		},
	}
	eventually(t, "pod "+name+" created", func(ctx context.Context) error {
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := pods.Delete(ctx, name, noGrace); err != nil {
			t.Errorf("delete pod %s: %v", name, err)
		}
	})
	return waitPodReady(t, name, 0)
}

// waitPodReady waits until the pod is Ready and its container was restarted at
// least that often.
func waitPodReady(t *testing.T, name string, restarts int32) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "pod "+name+" ready", func(ctx context.Context) (err error) {
		if pod, err = client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		return podReady(pod, restarts)
	})
	return pod
}

func podReady(pod *corev1.Pod, restarts int32) error {
	if statuses := pod.Status.ContainerStatuses; len(statuses) != 1 || statuses[0].RestartCount < restarts {
		return notYet{pod.Status}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return notYet{pod.Status}
}

// httpProbe watches a pod that serves.
func httpProbe(args []string) *corev1.Probe {
	if len(args) == 0 || args[0] != "serve" {
		return nil
	}
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: servePort}}, PeriodSeconds: 1}
}
