// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/test/cloud"
	"github.com/steppe-io/steppe/test/testcluster"
)

const manifests = "../../../manifests/base/yurt-manager"

var cluster *testcluster.Cluster

func TestMain(m *testing.M) {
	cloud.Main() // in the processes of yurt-apiserver that a test starts
	testcluster.Main(m, &cluster)
}

// process is a yurt-manager that runs in the test.
type process struct {
	t      *testing.T
	config *Config
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // valid once ended
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, config *rest.Config, change ...func(*Options)) *process {
	t.Helper()
	o := NewOptions()
	o.MetricsAddr, o.HealthProbeAddr = freeAddress(t), freeAddress(t)
	for _, f := range change {
		f(o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, config: &Config{Options: *o, REST: config}, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = Run(ctx, p.config)
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the process as a signal does and waits for it.
func (p *process) stop() {
	p.t.Helper()
	p.cancel()
	<-p.ended
	if p.err != nil {
		p.t.Errorf("yurt-manager ended with: %v", p.err)
	}
}

func get(address, path string) (code int, body string, err error) {
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

// probe waits until a probe answers with that code.
func (p *process) probe(path string, want int) {
	p.t.Helper()
	testcluster.Eventually(p.t, func() error {
		select {
		case <-p.ended:
			p.t.Fatalf("yurt-manager ended: %v", p.err)
		default:
		}
		code, body, err := get(p.config.HealthProbeAddr, path)
		if err == nil && code != want {
			err = fmt.Errorf("%s answers %d: %s", path, code, body)
		}
		return err
	})
}

func manifest(t *testing.T, file string) (objects []*unstructured.Unstructured) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(manifests, file))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// asServiceAccount returns the access that the manifests give to yurt-manager.
func asServiceAccount(t *testing.T) *rest.Config {
	t.Helper()
	c := testcluster.Need(t, cluster)
	for _, object := range manifest(t, "rbac.yaml") {
		if err := c.Client.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	config, err := c.UserConfig("system:serviceaccount:kube-system:yurt-manager", "system:serviceaccounts")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func lease(t *testing.T) *coordinationv1.Lease {
	t.Helper()
	clients, err := kubernetes.NewForConfig(cluster.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	lease, err := clients.CoordinationV1().Leases("kube-system").Get(t.Context(), Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func counted(t *testing.T, pool string, nodes int) {
	t.Helper()
	testcluster.Eventually(t, func() error {
		if got := cluster.Pool(t, pool).Status.Nodes; len(got) != nodes {
			return fmt.Errorf("pool %s has the nodes %v", pool, got)
		}
		return nil
	})
}

func labelled(t *testing.T, node, value string) {
	t.Helper()
	testcluster.Eventually(t, func() error {
		if got := cluster.Node(t, node).Labels["example.com/tier"]; got != value {
			return fmt.Errorf("the label of %s is %q", node, got)
		}
		return nil
	})
}

var gold = appsv1beta2.NodePoolSpec{
	Labels: map[string]string{"example.com/tier": "gold"},
	Taints: []corev1.Taint{{Key: "example.com/tier", Value: "gold", Effect: corev1.TaintEffectNoSchedule}},
}

// TestLife is the life of a yurt-manager with the rights that the manifests
// give: it starts before anybody serves NodePools, works, and ends.
func TestLife(t *testing.T) {
	config := asServiceAccount(t)
	if err := cluster.StopServingNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := start(t, config)
	p.probe("/healthz", http.StatusOK)
	p.probe("/readyz", http.StatusInternalServerError)
	p.probe("/readyz/controllers", http.StatusInternalServerError)
	if err := cluster.ServeNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.probe("/readyz", http.StatusOK)

	cluster.CreatePool(t, "life", gold)
	cluster.CreateNode(t, "life", "life")
	counted(t, "life", 1)
	labelled(t, "life", "gold")
	cluster.EventuallyEvent(t, "NodePool", "life", "NodeJoined: Node life joined")
	cluster.Label(t, "life", apps.LabelNodePool, "")
	labelled(t, "life", "")
	counted(t, "life", 0)

	if _, body, err := get(p.config.MetricsAddr, "/metrics"); err != nil ||
		!strings.Contains(body, "yurt_manager_nodepool_status_writes_total") ||
		!strings.Contains(body, `yurt_manager_nodepool_node_writes_total{kind="apply"}`) {
		t.Errorf("own metrics are missing (%v)", err)
	}
	held := lease(t).Spec
	if ptr.Deref(held.HolderIdentity, "") == "" {
		t.Error("nobody holds the Lease")
	}
	if got := ptr.Deref(held.LeaseDurationSeconds, 0); got != 15 {
		t.Errorf("the Lease is for %d s, want 15 s as of kube-controller-manager", got)
	}
	p.stop()
	if holder := ptr.Deref(lease(t).Spec.HolderIdentity, ""); holder != "" {
		t.Errorf("%s still holds the Lease", holder)
	}
}

// TestTakeOver: the second of two replicas is ready all the time and works as
// soon as the first has ended.
func TestTakeOver(t *testing.T) {
	config := asServiceAccount(t)
	if err := cluster.ServeNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := start(t, config)
	cluster.CreatePool(t, "shift", gold)
	cluster.CreateNode(t, "shift-0", "shift")
	labelled(t, "shift-0", "gold") // so the first has the Lease
	counted(t, "shift", 1)
	second := start(t, config)
	second.probe("/readyz", http.StatusOK)
	first.stop()
	cluster.CreateNode(t, "shift-1", "shift")
	labelled(t, "shift-1", "gold")
	counted(t, "shift", 2)
}

// TestEndsWhileWaiting: a signal ends it also before the API is there.
func TestEndsWhileWaiting(t *testing.T) {
	config := asServiceAccount(t)
	if err := cluster.StopServingNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := start(t, config)
	p.probe("/readyz", http.StatusInternalServerError)
	p.stop()
}

// outage is a kube-apiserver whose aggregated API goes away and comes back.
type outage struct {
	*httptest.Server
	mu   sync.Mutex
	away bool
	cut  chan struct{} // closed to end the requests that are under way
}

func (o *outage) set(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
	close(o.cut)
	o.cut = make(chan struct{})
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	config := testcluster.Need(t, cluster).RESTConfig()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	proxy.FlushInterval = -1
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	o := &outage{cut: make(chan struct{})}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/apis/"+apps.GroupName) {
			proxy.ServeHTTP(w, r)
			return
		}
		o.mu.Lock()
		away, cut := o.away, o.cut
		o.mu.Unlock()
		if away {
			http.Error(w, "service unavailable", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			select {
			case <-cut:
				cancel()
			case <-ctx.Done():
			}
		}()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

// TestOutage: yurt-apiserver goes away for a while. Nodes keep what they have,
// and what happens meanwhile is caught up with.
func TestOutage(t *testing.T) {
	o := newOutage(t)
	if err := cluster.ServeNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := start(t, &rest.Config{Host: o.URL}, func(o *Options) { o.LeaderElect = false })
	p.probe("/readyz", http.StatusOK)
	cluster.CreatePool(t, "outage", gold)
	cluster.CreateNode(t, "outage-0", "outage")
	labelled(t, "outage-0", "gold")
	counted(t, "outage", 1)

	o.set(true)
	cluster.CreateNode(t, "outage-1", "outage")
	labelled(t, "outage-1", "gold") // the pool is in the cache
	if got := cluster.Pool(t, "outage").Status.Nodes; len(got) != 1 {
		t.Errorf("the status was written during the outage: %v", got)
	}
	cluster.Label(t, "outage-0", "example.com/tier", "theirs")
	labelled(t, "outage-0", "gold")
	cluster.UpdatePool(t, "outage", func(p *appsv1beta2.NodePool) {
		p.Spec.Labels = map[string]string{"example.com/tier": "silver"}
	})
	p.probe("/healthz", http.StatusOK)

	o.set(false)
	counted(t, "outage", 2)
	labelled(t, "outage-0", "silver")
	labelled(t, "outage-1", "silver")
}

// TestManifests has the server check the manifests, strictly, and compares them
// with the defaults of the program.
func TestManifests(t *testing.T) {
	c := testcluster.Need(t, cluster)
	files, _, err := unstructured.NestedStringSlice(manifest(t, "kustomization.yaml")[0].Object, "resources")
	if err != nil || len(files) == 0 {
		t.Fatalf("the kustomization has the resources %v, %v", files, err)
	}
	for _, file := range files {
		for _, object := range manifest(t, file) {
			err := c.Client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			if err != nil && !apierrors.IsAlreadyExists(err) {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	deployment := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifest(t, "deployment.yaml")[0].Object, deployment); err != nil {
		t.Fatal(err)
	}
	pod := deployment.Spec.Template.Spec
	ports := map[string]string{}
	for _, port := range pod.Containers[0].Ports {
		ports[port.Name] = fmt.Sprintf(":%d", port.ContainerPort)
	}
	o := NewOptions()
	if diff := cmp.Diff(map[string]string{"metrics": o.MetricsAddr, "probes": o.HealthProbeAddr}, ports); diff != "" {
		t.Errorf("ports: -want, +got:\n%s", diff)
	}
	if deployment.Namespace != o.WorkingNamespace {
		t.Errorf("it runs in %s and has rights in %s", deployment.Namespace, o.WorkingNamespace)
	}
	command := NewCommand()
	if err := command.ParseFlags(pod.Containers[0].Args); err != nil {
		t.Errorf("arguments: %v", err)
	}
}
