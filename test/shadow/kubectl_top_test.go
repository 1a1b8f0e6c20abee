// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// TestKubectlTop has the coordinator ask a kubelet.
func TestKubectlTop(t *testing.T) {
	const node, namespace = "top-1", "top"
	kubelet := measuringKubelet(t, node, namespace)
	ctx := t.Context()
	created, err := admin.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node, Labels: map[string]string{"for": "top"}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: kubelet.IP.String()}}
	created.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(kubelet.Port)
	created.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("4Gi")}
	created.Status.Capacity = created.Status.Allocatable
	if _, err := admin.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{
			{Name: "main", Image: "registry.example.com/web"}, {Name: "sidecar", Image: "registry.example.com/web"},
		}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	k := newKubectl(t, kubeconfigOf(t, "kubernetes-admin", "system:masters"))
	const web = "web 30m 48Mi"
	for args, want := range map[string]string{
		"top nodes --no-headers -l for=top":       "top-1 250m 12% 1024Mi 25%",
		"top node --no-headers top-1":             "top-1 250m 12% 1024Mi 25%",
		"top pods --no-headers -n top":            web,
		"top pod --no-headers -n top web":         web,
		"top pods --no-headers -n top -l app=web": web,
		"top pods --no-headers -A --field-selector metadata.name=web,metadata.namespace=top": "top " + web,
		"top pods --no-headers -n top --containers":                                          "web main 10m 16Mi web sidecar 20m 32Mi",
		"get --no-headers nodes.metrics.k8s.io top-1":                                        "top-1 250m 1Gi 30s",
		"get --no-headers pods.metrics.k8s.io -n top -l app=web":                             "web 30m 48Mi 30s",
		"get --no-headers pods -n top -o name":                                               "pod/web",
	} {
		out, err := k.run(ctx, "", args)
		if diff := cmp.Diff(want, strings.Join(strings.Fields(out), " ")); diff != "" || err != nil {
			t.Errorf("kubectl %s: %v (-want +got):\n%s", args, err, diff)
		}
	}
	if out, err := k.run(ctx, "", "explain --api-version=metrics.k8s.io/v1beta1 nodes.window"); err != nil || !strings.Contains(out, "NodeMetrics") {
		t.Errorf("kubectl explain: %v\n%s", err, out)
	}
	config, err := shared.UserConfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	err = stranger.RESTClient().Get().AbsPath("/apis/metrics.k8s.io/v1beta1/nodes").Do(ctx).Error()
	if err == nil || !strings.Contains(err.Error(), `cannot list resource "nodes" in API group "metrics.k8s.io"`) {
		t.Errorf("a stranger gets %v", err)
	}
}

// measuringKubelet is one of which nothing works but measuring. It listens where a
// kubelet can be, which loopback is not.
func measuringKubelet(t *testing.T, node, namespace string) *net.TCPAddr {
	t.Helper()
	host := machineAddress(t)
	serving, err := shared.CA.Ensure(t.TempDir(), "kubelet", pki.Request{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}, Hosts: []string{node, host}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(serving.CertPEM, serving.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(shared.CA.CertPEM)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/stats/summary" {
			http.NotFound(w, req)
			return
		}
		figures := func(cores, memory int) string {
			return fmt.Sprintf(`"cpu":{"time":"2026-11-20T10:00:00Z","usageNanoCores":%d},"memory":{"workingSetBytes":%d}`, cores*1_000_000, memory<<20)
		}
		_, _ = io.WriteString(w, fmt.Sprintf(`{"node":{%s},"pods":[{"podRef":{"name":"web","namespace":%q},"containers":[{"name":"main",%s},{"name":"sidecar",%s}]}]}`,
			figures(250, 1024), namespace, figures(10, 16), figures(20, 32)))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr)
}
