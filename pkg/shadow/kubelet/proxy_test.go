// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// fakePod is what the pod of a rig serves, in plain text or with a certificate that
// nobody has signed.
type fakePod struct {
	plain, secure *httptest.Server

	mu     sync.Mutex
	asked  *http.Request
	body   string
	handle http.HandlerFunc
}

func newFakePod(r *rig) *fakePod {
	r.t.Helper()
	p := &fakePod{}
	p.plain = httptest.NewServer(p)
	p.secure = httptest.NewTLSServer(p)
	r.t.Cleanup(p.plain.Close)
	r.t.Cleanup(p.secure.Close)
	return p
}

func (p *fakePod) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	p.mu.Lock()
	p.asked, p.body = req, string(body)
	handle := p.handle
	p.mu.Unlock()
	if handle != nil {
		handle(w, req)
		return
	}
	fmt.Fprintf(w, "%s %s", req.Method, req.URL)
}

func (p *fakePod) last() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *fakePod) port(scheme string) int {
	server := p.plain
	if scheme == "https" {
		server = p.secure
	}
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// path is that of the proxy of the pod's port.
func (p *fakePod) path(scheme, path string) string {
	return fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%s:%d/proxy%s", namespace, scheme, podName, p.port(scheme), path)
}

// says does a request and compares what comes.
func (r *rig) says(method, path string, code int, text string) {
	r.t.Helper()
	resp := r.do(method, path, nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != code || !strings.Contains(string(body), text) {
		r.t.Errorf("%s %s: got %s: %s", method, path, resp.Status, body)
	}
}

func TestPodProxy(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		r.says(method, pod.path("http", "/a/b%20c/?d=e&d=f"), http.StatusOK, method+" /a/b%20c/?d=e&d=f")
	}
	r.says(http.MethodGet, pod.path("https", "/secure"), http.StatusOK, "GET /secure")

	r.set(func() {
		r.pods[podName].Spec.Containers = []corev1.Container{{}, {Ports: []corev1.ContainerPort{{ContainerPort: int32(pod.port("http"))}}}}
	})
	r.says(http.MethodGet, podPath("proxy/first-port"), http.StatusOK, "GET /first-port")
}

func TestPodProxyOfAPodThatCannotBeReached(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	path := pod.path("http", "/")
	pod.plain.Close()
	r.says(http.MethodGet, path, http.StatusServiceUnavailable, "connection refused")
	r.says(http.MethodGet, "/api/v1/namespaces/shop/pods/a:b:c:d/proxy/", http.StatusBadRequest, "invalid pod request")
	r.says(http.MethodGet, "/api/v1/namespaces/shop/pods/gone/proxy/", http.StatusNotFound, "gone")
	for _, ips := range [][]corev1.PodIP{nil, {{IP: ""}}, {{IP: "kube-apiserver.example"}}} {
		r.set(func() { r.pods[podName].Status.PodIPs = ips })
		r.says(http.MethodGet, path, http.StatusBadRequest, "address not allowed")
	}
}

func TestProxyMakesLinksGoodForTheClient(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	pod.handle = func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/page" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<a href="/next">`)
			return
		}
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	}
	if got, want := r.do(http.MethodGet, pod.path("http", "/here"), nil).Header.Get("Location"), pod.path("http", "/elsewhere"); !strings.HasSuffix(got, want) {
		t.Errorf("Redirected to %s", got)
	}
	r.says(http.MethodGet, pod.path("http", "/page"), http.StatusOK, pod.path("http", "/next"))
	if got := r.do(http.MethodGet, pod.path("http", ""), nil); got.StatusCode != http.StatusMovedPermanently || got.Header.Get("Location") != pod.path("http", "/") {
		t.Errorf("Without a path: %s to %s", got.Status, got.Header.Get("Location"))
	}
}

func TestProxyStreams(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	next := make(chan struct{})
	pod.handle = func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush()
			<-next
		}
	}
	lines := bufio.NewReader(r.do(http.MethodGet, pod.path("http", "/"), nil).Body)
	for i := range 3 {
		if got, err := lines.ReadString('\n'); err != nil || got != fmt.Sprintln(i) {
			t.Fatalf("Got %q, %v", got, err)
		}
		next <- struct{}{}
	}
}

func TestProxyPassesUpgradesOn(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	pod.handle = func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", req.Header.Get("Upgrade"))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		line, _ := buffered.ReadString('\n')
		fmt.Fprintf(conn, "you said %s", line)
	}
	for _, scheme := range []string{"http", "https"} {
		resp := r.do(http.MethodGet, pod.path(scheme, "/"), http.Header{"Connection": {"Upgrade"}, "Upgrade": {"chat"}})
		conn, ok := resp.Body.(io.ReadWriter)
		if !ok {
			t.Fatalf("%s: got %s", scheme, resp.Status)
		}
		if _, err := io.WriteString(conn, "hello\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != "you said hello\n" {
			t.Errorf("%s: got %q, %v", scheme, got, err)
		}
	}
}

func TestNodeProxy(t *testing.T) {
	r := newRig(t)
	r.kubelet.answer(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintf(w, "%s %s as %s", req.Method, req.URL, req.TLS.PeerCertificates[0].Subject.CommonName)
	})
	r.says(http.MethodGet, "/api/v1/nodes/edge-1/proxy/metrics/cadvisor?x=y", http.StatusOK, "GET /metrics/cadvisor?x=y as apiserver-kubelet-client")
	r.says(http.MethodPost, fmt.Sprintf("/api/v1/nodes/edge-1:%d/proxy/run", r.kubelet.port()), http.StatusOK, "POST /run as apiserver-kubelet-client")
	r.says(http.MethodGet, fmt.Sprintf("/api/v1/nodes/https:edge-1:%d/proxy/pods", r.kubelet.port()), http.StatusOK, "GET /pods as apiserver-kubelet-client")
	r.says(http.MethodGet, "/api/v1/nodes/edge-2/proxy/pods", http.StatusNotFound, "edge-2")
	r.says(http.MethodGet, "/api/v1/nodes/a:b:c:d/proxy/pods", http.StatusBadRequest, "invalid node request")
}

func TestOtherPortsOfNodesGetNoCredentials(t *testing.T) {
	r := newRig(t)
	exporter := newFakePod(r)
	for _, scheme := range []string{"http", "https"} {
		r.says(http.MethodGet, fmt.Sprintf("/api/v1/nodes/%s:edge-1:%d/proxy/metrics", scheme, exporter.port(scheme)), http.StatusOK, "GET /metrics")
		if asked := exporter.last(); asked.TLS != nil && len(asked.TLS.PeerCertificates) > 0 || (asked.TLS == nil) != (scheme == "http") {
			t.Errorf("%s: asked with %+v", scheme, asked.TLS)
		}
	}
}

func TestNodeProxyMayWaitLong(t *testing.T) {
	r := newRig(t, func(config *Config) { config.AnswerTimeout = 50 * time.Millisecond })
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond) // as a CPU profile takes
		fmt.Fprint(w, "profile")
	})
	r.says(http.MethodGet, "/api/v1/nodes/edge-1/proxy/debug/pprof/profile", http.StatusOK, "profile")
}

func TestServiceProxy(t *testing.T) {
	r := newRig(t)
	pod := newFakePod(r)
	slice := func(name string, port int, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("other"), Port: ptr.To[int32](1)}, {Name: &name, Port: ptr.To(int32(port))}},
			Endpoints:   endpoints,
		}
	}
	endpoint := func(change ...func(*discoveryv1.Endpoint)) discoveryv1.Endpoint {
		e := discoveryv1.Endpoint{
			Addresses: []string{"127.0.0.1"},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: podName},
		}
		for _, f := range change {
			f(&e)
		}
		return e
	}
	notReady := endpoint(func(e *discoveryv1.Endpoint) { e.Conditions.Ready = ptr.To(false) })
	ready := endpoint(func(e *discoveryv1.Endpoint) { e.Conditions.Ready = ptr.To(true) })
	noPod := endpoint(func(e *discoveryv1.Endpoint) { e.TargetRef = nil })
	otherNamespace := endpoint(func(e *discoveryv1.Endpoint) { e.TargetRef.Namespace = "kube-system" })
	gonePod := endpoint(func(e *discoveryv1.Endpoint) { e.TargetRef.Name = "gone" })
	otherAddress := endpoint(func(e *discoveryv1.Endpoint) { e.Addresses = []string{"127.0.0.2"} })
	fqdn := slice("web", pod.port("http"), ready)
	fqdn.AddressType = discoveryv1.AddressTypeFQDN
	nameless := slice("web", pod.port("http"), ready)
	nameless.Ports[1].Name = nil

	r.set(func() {
		r.services["front"] = &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "front"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "other", Port: 81}, {Name: "web", Port: 80}}},
		}
	})
	for _, c := range []struct {
		name   string
		id     string
		slices []*discoveryv1.EndpointSlice
		code   int
		says   string
	}{
		{"port by name", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), endpoint())}, http.StatusOK, "GET /x"},
		{"port by number", "front:80", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), ready)}, http.StatusOK, "GET /x"},
		{"https", "https:front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("https"), ready)}, http.StatusOK, "GET /x"},
		{"port without a name", "front", []*discoveryv1.EndpointSlice{nameless}, http.StatusOK, "GET /x"},
		{"port with an empty name", "front", []*discoveryv1.EndpointSlice{slice("", pod.port("http"), ready)}, http.StatusOK, "GET /x"},
		{"one of many", "front:web", []*discoveryv1.EndpointSlice{slice("web", 1, notReady), slice("web", 1, noPod, gonePod), slice("web", pod.port("http"), notReady, ready, otherAddress)}, http.StatusOK, "GET /x"},
		{"unknown number", "front:82", nil, http.StatusServiceUnavailable, `no service port 82 found for service \"front\"`},
		{"unknown name", "front:x", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), ready)}, http.StatusServiceUnavailable, `no endpoints available for service \"front:x\"`},
		{"unknown service", "back:80", nil, http.StatusNotFound, "back"},
		{"no slices", "front:web", nil, http.StatusServiceUnavailable, "no endpoints available"},
		{"nothing ready", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), notReady)}, http.StatusServiceUnavailable, "no endpoints available"},
		{"an address that is not a pod's", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), noPod)}, http.StatusServiceUnavailable, "no endpoints available"},
		{"a pod of another namespace", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), otherNamespace)}, http.StatusServiceUnavailable, "no endpoints available"},
		{"a pod that is gone", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), gonePod)}, http.StatusServiceUnavailable, "no endpoints available"},
		{"a pod's with another address", "front:web", []*discoveryv1.EndpointSlice{slice("web", pod.port("http"), otherAddress)}, http.StatusServiceUnavailable, "no endpoints available"},
		{"a name", "front:web", []*discoveryv1.EndpointSlice{fqdn}, http.StatusServiceUnavailable, "no endpoints available"},
		{"too many colons", "a:b:c:d", nil, http.StatusBadRequest, "invalid service request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.set(func() { r.slices = c.slices })
			r.says(http.MethodGet, "/api/v1/namespaces/shop/services/"+c.id+"/proxy/x", c.code, c.says)
		})
	}
}

// listen returns a port that accepts connections and never says anything.
func listen(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().(*net.TCPAddr).Port
}
