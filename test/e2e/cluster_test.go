// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/steppe-io/steppe/hack/localcluster"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

var servePort = intstr.FromInt32(8080)

// notYet is the error of a pod that is not as wanted.
type notYet struct{ status corev1.PodStatus }

func (e notYet) Error() string {
	return fmt.Sprintf("phase %s, conditions %+v, containers %+v", e.status.Phase, e.status.Conditions, e.status.ContainerStatuses)
}

// execInPod runs a command through the API server and the kubelet.
func execInPod(ctx context.Context, name string, argv ...string) (string, error) {
	config, err := cluster.RESTConfig()
	if err != nil {
		return "", err
	}
	return execThrough(ctx, config, client, name, argv...)
}

// execThrough is execInPod through any API server.
func execThrough(ctx context.Context, config *rest.Config, client kubernetes.Interface, name string, argv ...string) (string, error) {
	req := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(metav1.NamespaceDefault).Name(name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: argv, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(config, "GET", req.URL().String())
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), nil
}

func TestNodesAreReady(t *testing.T) {
	requireCluster(t)
	if err := cluster.WaitNodesReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != len(cluster.Machines()) {
		t.Errorf("there are %d nodes, want one per machine: %d", len(nodes.Items), len(cluster.Machines()))
	}
	machineIDs := map[string]bool{}
	for _, node := range nodes.Items {
		machineIDs[node.Status.NodeInfo.MachineID] = true
		edge := node.Name != "cloud"
		if got := node.Labels["openyurt.io/is-edge-worker"]; got != fmt.Sprint(edge) {
			t.Errorf("node %s has openyurt.io/is-edge-worker=%q", node.Name, got)
		}
	}
	if len(machineIDs) != len(nodes.Items) {
		t.Errorf("nodes share a machine id: %v", machineIDs)
	}
}

func TestPodsReachEachOther(t *testing.T) {
	requireCluster(t)
	names := map[string]*corev1.Pod{}
	for _, m := range cluster.Machines() {
		name := "serve-" + m.Name
		names[name] = runPod(t, m, name, "serve")
	}
	for from := range names {
		for to, pod := range names {
			got, err := execInPod(t.Context(), from, "/testimage", "get", "http://"+pod.Status.PodIP+":8080")
			if err != nil || !strings.HasPrefix(got, to+"\n") {
				t.Errorf("%s asked %s and got %q, %v", from, to, got, err)
			}
		}
	}
	logs, err := client.CoreV1().Pods(metav1.NamespaceDefault).GetLogs("serve-edge-1", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil || !strings.HasPrefix(string(logs), "serving on port 8080\n") {
		t.Errorf("logs are %q, %v", logs, err)
	}
}

// A service address must work on every node, also for the API server's own.
func TestPodsReachServices(t *testing.T) {
	requireCluster(t)
	services := client.CoreV1().Services(metav1.NamespaceDefault)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-serve"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"e2e": "serve"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: servePort}}},
	}
	service, err := services.Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Delete(context.Background(), service.Name, metav1.DeleteOptions{}) })
	server := runPod(t, cluster.Edge(1), "behind-service", "serve")
	server.Labels = map[string]string{"e2e": "serve"}
	if _, err := client.CoreV1().Pods(metav1.NamespaceDefault).Update(t.Context(), server, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range cluster.Machines() {
		name := "caller-" + m.Name
		runPod(t, m, name, "sleep", "1h")
		eventually(t, name+" reaches the service", func(ctx context.Context) error {
			_, err := execInPod(ctx, name, "/testimage", "get", "http://"+service.Spec.ClusterIP)
			return err
		})
	}
}

func TestCutLinkAndHeal(t *testing.T) {
	tests := []struct {
		name string
		cut  func(context.Context, *localcluster.Machine) error
	}{
		{"cable pulled", func(ctx context.Context, m *localcluster.Machine) error { return m.Cut(ctx) }},
		{"black hole", func(ctx context.Context, m *localcluster.Machine) error { return m.BlackHole(ctx, localcluster.Both) }},
		{"one way", func(ctx context.Context, m *localcluster.Machine) error {
			return m.BlackHole(ctx, localcluster.FromMachine)
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			requireCluster(t)
			m := cluster.Edge(1)
			pod := runPod(t, m, "survives-cut", "serve")
			healAtEnd(t, m)
			if err := tc.cut(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			eventually(t, "no heartbeats", func(ctx context.Context) error { return heartbeatsStopped(ctx, m) })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := execInPod(ctx, pod.Name, "/testimage", "env"); err == nil {
				t.Error("exec works over a cut link")
			}
			if err := m.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "exec works again", func(ctx context.Context) error {
				_, err := execInPod(ctx, pod.Name, "/testimage", "env")
				return err
			})
			if after := waitPodReady(t, pod.Name, 0); after.Status.ContainerStatuses[0].RestartCount != 0 {
				t.Error("the cut restarted the pod")
			}
		})
	}
}

// heartbeatsStopped checks that the node's lease was not renewed for clearly
// longer than the 10 s between a kubelet's renewals.
func heartbeatsStopped(ctx context.Context, m *localcluster.Machine) error {
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, m.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if silence := time.Since(lease.Spec.RenewTime.Time); silence < 15*time.Second {
		return fmt.Errorf("the last heartbeat was %s ago", silence)
	}
	return nil
}

// healAtEnd leaves the machine connected, on and Ready, however the test ends.
func healAtEnd(t *testing.T, m *localcluster.Machine) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(m.Heal(ctx), m.PowerOn(ctx), m.WaitReady(ctx, true)); err != nil {
			t.Errorf("%s is not as it was: %v", m.Name, err)
		}
	})
}

func TestPowerOffAndOn(t *testing.T) {
	requireCluster(t)
	m := cluster.Edge(2)
	pod := runPod(t, m, "survives-power-off", "serve")
	before, err := client.CoreV1().Nodes().Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	healAtEnd(t, m)
	if err := m.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.Running() {
		t.Error("the machine is on after PowerOff")
	}
	if _, err := m.Exec(t.Context(), "true"); err == nil {
		t.Error("commands run on a machine that is off")
	}
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitPodReady(t, pod.Name, 1)
	after, err := client.CoreV1().Nodes().Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if before.Status.NodeInfo.BootID == after.Status.NodeInfo.BootID {
		t.Error("the node has the boot id of its last boot")
	}
	eventually(t, "exec works", func(ctx context.Context) error {
		_, err := execInPod(ctx, pod.Name, "/testimage", "env")
		return err
	})
}

func TestDiskSurvivesPowerOff(t *testing.T) {
	requireCluster(t)
	m := cluster.Edge(2)
	healAtEnd(t, m)
	for _, path := range []string{"/var/lib/e2e", "/etc/e2e", "/run/e2e"} {
		if _, err := m.Exec(t.Context(), "touch", path); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(m.PowerOff(t.Context()), m.PowerOn(t.Context())); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/var/lib/e2e": true, "/etc/e2e": true, "/run/e2e": false} {
		if _, err := m.Exec(t.Context(), "test", "-e", path); (err == nil) != want {
			t.Errorf("%s is there after a power cycle: %t, want %t", path, err == nil, want)
		}
	}
	if _, err := m.Exec(t.Context(), "rm", "/var/lib/e2e", "/etc/e2e"); err != nil {
		t.Fatal(err)
	}
}

func TestProcessesCanBeKilledAndStopped(t *testing.T) {
	requireCluster(t)
	pod := runPod(t, cluster.Edge(1), "survives-kills", "serve")
	for _, step := range []struct {
		machine *localcluster.Machine
		process string
	}{
		{cluster.Edge(1), "kubelet"}, {cluster.Edge(1), "containerd"}, {cluster.Edge(1), "kube-proxy"},
		{cluster.Cloud(), "kube-controller-manager"}, {cluster.Cloud(), "kube-apiserver"},
	} {
		if err := step.machine.KillProcess(t.Context(), step.process); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "exec works", func(ctx context.Context) error {
		_, err := execInPod(ctx, pod.Name, "/testimage", "env")
		return err
	})
	if err := cluster.Cloud().StopProcess(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	_, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err == nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		t.Errorf("with the API server stopped a list gave %v", err)
	}
	if err := cluster.Cloud().StartProcess(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	if after := waitPodReady(t, pod.Name, 0); after.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Error("killing the node's processes restarted the pod")
	}
	if err := cluster.WaitNodesReady(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What is added to a machine is there like its own: after a crash, after a power
// cut, until it is removed.
func TestAddedProcess(t *testing.T) {
	requireCluster(t)
	m := cluster.Edge(2)
	const name = "e2e-added"
	t.Cleanup(func() {
		if err := m.RemoveProcess(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	healAtEnd(t, m)
	script := func(word string) supervise.Process {
		return supervise.Process{Name: name, Argv: []string{"/bin/sh", "-c", "echo " + word + "; exec sleep 1000"}}
	}
	said := func(words ...string) {
		t.Helper()
		eventually(t, "the log says what was started", func(context.Context) error {
			log, err := os.ReadFile(m.Log(name))
			if err == nil && !slices.Equal(strings.Fields(string(log)), words) {
				err = fmt.Errorf("it says %q, not %q", log, words)
			}
			return err
		})
	}
	if err := m.AddProcess(t.Context(), script("one")); err != nil {
		t.Fatal(err)
	}
	said("one")
	if err := m.KillProcess(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	said("one", "one")
	if err := m.AddProcess(t.Context(), script("two")); err != nil {
		t.Fatal(err)
	}
	said("one", "one", "two")
	if err := errors.Join(m.PowerOff(t.Context()), m.PowerOn(t.Context())); err != nil {
		t.Fatal(err)
	}
	said("one", "one", "two", "two")
	if err := m.RemoveProcess(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if out, err := m.Exec(t.Context(), "pgrep", "-f", "sleep 1000"); err == nil {
		t.Errorf("it runs after it was removed: %s", out)
	}
	processes, err := m.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if p.Name == name {
			t.Errorf("the machine still has %+v", p)
		}
	}
}

func TestFilesOfMachines(t *testing.T) {
	requireCluster(t)
	m := cluster.Edge(2)
	const path = "/etc/e2e/files/a file"
	for _, content := range []string{"one\n", "", "two 'three' $4\n"} {
		if err := m.WriteFile(t.Context(), path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := m.ReadFile(t.Context(), path); err != nil || string(got) != content {
			t.Errorf("got %q, %v, want %q", got, err, content)
		}
	}
	if got, err := m.Exec(t.Context(), "stat", "-c", "%a", path); err != nil || got != "640\n" {
		t.Errorf("the mode is %q, %v", got, err)
	}
	if _, err := os.Stat("/etc/e2e"); err == nil {
		t.Error("the file is on the host")
	}
	if _, err := m.Exec(t.Context(), "rm", "-r", "/etc/e2e"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("reading what is not there: %v", err)
	}
}
