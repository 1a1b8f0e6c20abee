// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/hack/localcluster"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

const (
	coordinator = "pool-coordinator"
	// coordinatorPort is its default.
	coordinatorPort = 10273
	// coordinatorData is on the machine's disk.
	coordinatorData = "/var/lib/pool-coordinator"
	coordinatorPKI  = "/etc/kubernetes/pki/pool-coordinator"

	// goesOn is the pod that the site has from the cloud.
	goesOn = "site-goes-on"
)

// mirrored is what the coordinator is given of the cloud's objects. What belongs to
// nodes, it is given of edge-1 alone: edge-2 it has never heard of.
const mirrored = "namespaces,configmaps,secrets,serviceaccounts,services,endpointslices.discovery.k8s.io," +
	"roles,rolebindings,clusterroles,clusterrolebindings,priorityclasses,runtimeclasses,csidrivers"

// site is the two edge machines with a coordinator on the first, and the cloud off.
type site struct {
	coordinator *localcluster.Machine
	server      string
	kubeconfig  string
	config      *rest.Config
	client      kubernetes.Interface
	// before is what the pod goesOn was like in the cloud, and node its node.
	before *corev1.Pod
	node   *corev1.Node
	// pointed is when the kubelets were.
	pointed time.Time
}

// A site whose cloud is gone goes on with its coordinator: real kubelets and
// kube-proxies use it as they would a kube-apiserver, which it has taken over from
// while pods were running. At the end the cloud is back, and takes over again.
func TestSiteWithoutCloud(t *testing.T) {
	requireCluster(t)
	s := startSite(t)
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"a node goes on", testNodeGoesOn},
		{"a node registers", testNodeRegisters},
		{"a pod runs where it is bound", testBoundPod},
		{"a changed ConfigMap reaches its volume", testChangedVolume},
		{"a static pod is mirrored", testStaticPod},
		{"a pod is deleted with grace", testGracefulDeletion},
		{"logs, exec and port-forward", testOperations},
		{"the proxies of nodes, pods and services", testProxies},
		{"kube-proxy with nftables", func(t *testing.T, s *site) { testServices(t, s, "nftables") }},
		{"kube-proxy with iptables", func(t *testing.T, s *site) { testServices(t, s, "iptables") }},
		{"names are resolved", testCoreDNS},
		{"the kubelet is restarted", testKubeletRestarts},
		{"the coordinator is killed", testCoordinatorKilled},
		{"the power of a node fails", func(t *testing.T, s *site) { testPowerCut(t, s, cluster.Edge(2)) }},
		{"the power of the coordinator's node fails", func(t *testing.T, s *site) { testPowerCut(t, s, cluster.Edge(1)) }},
	} {
		if !t.Run(scenario.name, func(t *testing.T) { scenario.run(t, s) }) {
			s.explain(t)
		}
	}
	s.giveBack(t)
}

// startSite starts the coordinator on edge-1, with a copy of what the cloud has,
// turns the cloud off and points the edge machines at the coordinator.
func startSite(t *testing.T) *site {
	t.Helper()
	m := cluster.Edge(1)
	s := &site{coordinator: m, server: fmt.Sprintf("https://%s:%d", m.IP(), coordinatorPort)}
	binary, err := cluster.Compile(t.Context(), "./cmd/pool-coordinator")
	if err != nil {
		t.Fatal(err)
	}
	s.before = runPod(t, m, goesOn, "serve")
	if s.node, err = client.CoreV1().Nodes().Get(t.Context(), m.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(t) })
	process := s.prepare(t, binary)
	s.load(t, binary)
	if err := m.AddProcess(t.Context(), process); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the coordinator is ready", s.ready)
	if err := cluster.Cloud().PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.pointed = time.Now()
	for _, m := range s.machines() {
		if err := m.PointAt(t.Context(), s.server); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) machines() []*localcluster.Machine {
	return []*localcluster.Machine{cluster.Edge(1), cluster.Edge(2)}
}

// prepare writes the coordinator's files, makes an administrator's access to it and
// returns how it is run.
func (s *site) prepare(t *testing.T, binary string) supervise.Process {
	t.Helper()
	ca, err := cluster.CA()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string, req pki.Request) pki.Pair {
		t.Helper()
		pair, err := ca.Ensure(t.TempDir(), name, req)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	serving := issue("serving", pki.Request{CommonName: coordinator, Hosts: []string{s.coordinator.IP(), s.coordinator.Name, "127.0.0.1", "localhost"}})
	kubelets := issue("kubelets", pki.Request{CommonName: coordinator, Organization: []string{"system:masters"}})
	admin := issue("admin", pki.Request{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}})
	tokens, err := os.ReadFile(filepath.Join(cluster.PKIDir(), "sa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"ca.crt": ca.CertPEM, "sa.pub": tokens,
		"serving.crt": serving.CertPEM, "serving.key": serving.KeyPEM,
		"kubelets.crt": kubelets.CertPEM, "kubelets.key": kubelets.KeyPEM,
	} {
		if err := s.coordinator.WriteFile(t.Context(), filepath.Join(coordinatorPKI, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := pki.WriteKubeconfig(s.kubeconfig, "site", s.server, ca, admin); err != nil {
		t.Fatal(err)
	}
	s.config = &rest.Config{
		Host:            s.server,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.CertPEM, CertData: admin.CertPEM, KeyData: admin.KeyPEM},
		QPS:             -1,
		Proxy:           func(*http.Request) (*url.URL, error) { return nil, nil },
	}
	if s.client, err = kubernetes.NewForConfig(s.config); err != nil {
		t.Fatal(err)
	}
	return supervise.Process{Name: coordinator, Argv: []string{
		binary,
		"--pool=" + hangzhou,
		"--data-dir=" + coordinatorData,
		"--bind-address=0.0.0.0",
		fmt.Sprintf("--secure-port=%d", coordinatorPort),
		"--tls-cert-file=" + coordinatorPKI + "/serving.crt",
		"--tls-private-key-file=" + coordinatorPKI + "/serving.key",
		"--client-ca-file=" + coordinatorPKI + "/ca.crt",
		"--service-account-key-file=" + coordinatorPKI + "/sa.pub",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		// Apart from what the cloud gives.
		"--service-cluster-ip-range=10.112.0.0/24",
		"--service-node-port-range=32000-32199",
		"--kubelet-certificate-authority=" + coordinatorPKI + "/ca.crt",
		"--kubelet-client-certificate=" + coordinatorPKI + "/kubelets.crt",
		"--kubelet-client-key=" + coordinatorPKI + "/kubelets.key",
	}}
}

// load gives the coordinator, which does not run yet, copies of the cloud's objects.
func (s *site) load(t *testing.T, binary string) {
	t.Helper()
	var objects strings.Builder
	for _, what := range []string{
		"get " + mirrored + " --all-namespaces",
		"get nodes,csinodes edge-1",
		"get leases edge-1 --namespace=" + corev1.NamespaceNodeLease,
		"get pods --all-namespaces --field-selector=spec.nodeName=edge-1",
	} {
		out, err := kubectl(t, "", append(strings.Fields(what), "-o", "yaml")...)
		if err != nil {
			t.Fatal(err)
		}
		objects.WriteString("---\n" + out)
	}
	cmd, err := s.coordinator.Command(t.Context(), binary, "load", "--data-dir="+coordinatorData, "--filename=-")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(objects.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("load: %v\n%s", err, out)
	}
}

// ready checks that the coordinator serves.
func (s *site) ready(ctx context.Context) error {
	return s.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// giveBack turns the cloud on, points the machines at it and checks that it finds
// what it left.
func (s *site) giveBack(t *testing.T) {
	t.Helper()
	if err := s.pointBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := waitPodReady(t, goesOn, 0)
	if after.UID != s.before.UID {
		t.Errorf("the cloud's pod %s was %s and is %s", goesOn, s.before.UID, after.UID)
	}
	node, err := client.CoreV1().Nodes().Get(t.Context(), s.node.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if node.UID != s.node.UID {
		t.Errorf("the cloud's node was %s and is %s", s.node.UID, node.UID)
	}
	for _, m := range s.machines() {
		eventually(t, "on "+m.Name+" run the cloud's pods alone", func(ctx context.Context) error { return onlyPodsOf(ctx, client, m) })
	}
}

// pointBack can be done again.
func (s *site) pointBack(ctx context.Context) error {
	if err := cluster.Cloud().PowerOn(ctx); err != nil {
		return err
	}
	err := await(ctx, func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	for _, m := range s.machines() {
		err = errors.Join(err, m.PowerOn(ctx), m.PointAt(ctx, cluster.Server()))
	}
	return errors.Join(err, cluster.WaitNodesReady(ctx))
}

// end leaves the cluster as it was found, however the test went.
func (s *site) end(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := s.pointBack(ctx); err != nil {
		t.Errorf("the cloud is not back: %v", err)
	}
	if err := s.coordinator.RemoveProcess(ctx, coordinator); err != nil {
		t.Error(err)
	}
	if _, err := s.coordinator.Exec(ctx, "rm", "-rf", coordinatorData, coordinatorPKI); err != nil {
		t.Error(err)
	}
}

// explain shows what the site is like after a failure.
func (s *site) explain(t *testing.T) {
	t.Helper()
	for _, what := range []string{"get nodes -o wide", "get pods --all-namespaces -o wide", "get events --all-namespaces --sort-by=.lastTimestamp"} {
		out, err := s.kubectl(t, "", strings.Fields(what)...)
		t.Logf("kubectl %s: %v\n%s", what, err, out)
	}
	for _, log := range []string{s.coordinator.Log(coordinator), cluster.Edge(1).Log("kubelet"), cluster.Edge(2).Log("kubelet")} {
		content, err := os.ReadFile(log)
		t.Logf("The end of %s: %v\n%s", log, err, content[max(0, len(content)-4000):])
	}
}

// kubectl runs kubectl against the coordinator.
func (s *site) kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := s.kubectlCommand(t, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), err
}

func (s *site) kubectlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(cluster.BinDir(), "kubectl"), append([]string{"--kubeconfig=" + s.kubeconfig, "--cache-dir=" + filepath.Join(filepath.Dir(s.kubeconfig), "cache")}, args...)...)
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*")
	return cmd
}

func (s *site) pods() typedcorev1.PodInterface {
	return s.client.CoreV1().Pods(metav1.NamespaceDefault)
}

// run creates a pod that is deleted with the test, and waits until it is Ready.
func (s *site) run(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	if _, err := s.pods().Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.deleteAtEnd(t, pod.Name)
	return s.waitReady(t, pod.Name, 0)
}

func (s *site) deleteAtEnd(t *testing.T, name string) {
	t.Helper()
	t.Cleanup(func() {
		err := await(context.Background(), func(ctx context.Context) error {
			err := s.pods().Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
			if apierrors.IsNotFound(err) {
				return nil // the test has deleted it
			}
			return err
		})
		if err != nil {
			t.Errorf("delete pod %s: %v", name, err)
		}
	})
}

// waitReady waits until the coordinator has the pod as Ready, with a container that
// was restarted at least that often.
func (s *site) waitReady(t *testing.T, name string, restarts int32) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "pod "+name+" ready on the site", func(ctx context.Context) (err error) {
		if pod, err = s.pods().Get(ctx, name, metav1.GetOptions{}); err != nil {
			return err
		}
		return podReady(pod, restarts)
	})
	return pod
}

// waitNodeReady waits until the coordinator has heard from the machine's kubelet
// that it is ready, after it was started. Later it says so again once in minutes
// only, see waitLeaseRenewed.
func (s *site) waitNodeReady(t *testing.T, m *localcluster.Machine, started time.Time) *corev1.Node {
	t.Helper()
	var node *corev1.Node
	eventually(t, m.Name+" ready on the site", func(ctx context.Context) (err error) {
		if node, err = s.client.CoreV1().Nodes().Get(ctx, m.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && !c.LastHeartbeatTime.Time.Before(started.Truncate(time.Second)) {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", node.Status.Conditions)
	})
	return node
}

// waitLeaseRenewed waits until the machine's kubelet renews its lease.
func (s *site) waitLeaseRenewed(t *testing.T, m *localcluster.Machine) {
	t.Helper()
	leases := s.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	var first *metav1.MicroTime
	eventually(t, m.Name+" renews its lease", func(ctx context.Context) error {
		lease, err := leases.Get(ctx, m.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if now := lease.Spec.RenewTime; first == nil {
			first = now
		} else if first.Before(now) {
			return nil
		}
		return fmt.Errorf("it was renewed at %v", first)
	})
}

// exec runs a command in a pod, through the coordinator and the kubelet.
func (s *site) exec(ctx context.Context, name string, argv ...string) (string, error) {
	return execThrough(ctx, s.config, s.client, name, argv...)
}

// testPod is a pod of the test image.
func testPod(m *localcluster.Machine, name string, args ...string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"site": name}},
		Spec: corev1.PodSpec{
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers:  []corev1.Container{{Name: "main", Image: localcluster.TestImage, Args: args, ReadinessProbe: httpProbe(args)}},
		},
	}
	if m != nil {
		pod.Spec.NodeName = m.Name
	}
	return pod
}

// onlyPodsOf checks that a machine runs no pods that its API server does not know.
func onlyPodsOf(ctx context.Context, client kubernetes.Interface, m *localcluster.Machine) error {
	list, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + m.Name})
	if err != nil {
		return err
	}
	known := map[types.UID]bool{}
	for _, pod := range list.Items {
		known[pod.UID] = true
	}
	out, err := m.Exec(ctx, "ls", "/var/lib/kubelet/pods")
	if err != nil {
		return err
	}
	for _, uid := range strings.Fields(out) {
		if !known[types.UID(uid)] {
			return fmt.Errorf("there is a pod %s, which the API server does not know", uid)
		}
	}
	return nil
}
