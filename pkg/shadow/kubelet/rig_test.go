// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emicklei/go-restful/v3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/client-go/kubernetes"
	clientrest "k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	baseversion "k8s.io/component-base/version"

	openapi "github.com/steppe-io/steppe/generated/openapi/builtin"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

const (
	nodeName  = "edge-1"
	namespace = "shop"
	podName   = "web"
)

// rig is an API server with nothing but what this package serves, a node and a
// kubelet. Tests change what they like before they ask.
type rig struct {
	t         *testing.T
	ca        *pki.Authority // of kubelets and of their clients
	config    Config
	connector *Connector
	kubelet   *fakeKubelet
	client    *clientrest.Config
	routes    []restful.Route

	mu       sync.Mutex // guards the fields below
	node     *corev1.Node
	pods     map[string]*corev1.Pod
	services map[string]*corev1.Service
	slices   []*discoveryv1.EndpointSlice
	allow    func(authorizer.Attributes) bool
	admitted []admission.Attributes // the CONNECTs
}

// newRig returns a rig in which addresses of the loopback are allowed: nothing else
// is there for tests to use.
func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, ca: ca, services: map[string]*corev1.Service{}}
	pair := r.issue("client", pki.Request{CommonName: "apiserver-kubelet-client", Organization: []string{"system:masters"}})
	r.config = Config{
		CAFile: ca.CertFile, CertFile: pair.CertFile, KeyFile: pair.KeyFile,
		DialTimeout: 5 * time.Second, AnswerTimeout: 10 * time.Second,
	}
	for _, f := range change {
		f(&r.config)
	}
	r.kubelet = newFakeKubelet(t, r.issue("kubelet", pki.Request{
		CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}, Hosts: []string{nodeName, "127.0.0.1"},
	}), ca)
	r.node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	r.node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	r.node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(r.kubelet.port())
	r.pods = map[string]*corev1.Pod{podName: {
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podName},
		Spec:       corev1.PodSpec{NodeName: nodeName, Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "127.0.0.1"}}},
	}}
	r.connect()
	r.client = r.serve()
	return r
}

func (r *rig) issue(name string, req pki.Request) pki.Pair {
	r.t.Helper()
	pair, err := r.ca.Ensure(r.t.TempDir(), name, req)
	if err != nil {
		r.t.Fatal(err)
	}
	return pair
}

// connect makes the connector. What a test leaves open is an error.
func (r *rig) connect() {
	r.t.Helper()
	connector, err := NewConnector(r.config, r.getNode, r.getPod)
	if err != nil {
		r.t.Fatal(err)
	}
	connector.checkAddress = func(address netip.Addr) error {
		if address.IsLoopback() {
			return nil
		}
		return checkAddress(address)
	}
	r.connector = connector
	r.t.Cleanup(func() {
		eventually(r.t, "all connections closed", func() bool {
			connector.connections.mu.Lock()
			defer connector.connections.mu.Unlock()
			return len(connector.connections.open) == 0
		})
		connector.Close()
	})
}

// set changes what the server knows.
func (r *rig) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *rig) getNode(_ context.Context, name string) (*corev1.Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != r.node.Name {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
	}
	return r.node.DeepCopy(), nil
}

func (r *rig) getPod(_ context.Context, in, name string) (*corev1.Pod, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pod := r.pods[name]
	if pod == nil || in != namespace {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name)
	}
	return pod.DeepCopy(), nil
}

func (r *rig) getService(_ context.Context, in, name string) (*corev1.Service, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	service := r.services[name]
	if service == nil || in != namespace {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "services"}, name)
	}
	return service.DeepCopy(), nil
}

func (r *rig) listSlices(context.Context, string, string) ([]*discoveryv1.EndpointSlice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.slices), nil
}

// Authorize implements authorizer.Authorizer: everything is allowed unless the test
// says otherwise.
func (r *rig) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.allow == nil || r.allow(attributes) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// Handles and Validate implement admission.
func (r *rig) Handles(operation admission.Operation) bool { return operation == admission.Connect }

func (r *rig) Validate(_ context.Context, attributes admission.Attributes, _ admission.ObjectInterfaces) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admitted = append(r.admitted, attributes)
	return nil
}

// parent is a resource that the subresources belong to.
type parent struct {
	runtime.Object
	namespaced bool
	singular   string
}

func (p parent) New() runtime.Object     { return p.Object }
func (parent) Destroy()                  {}
func (p parent) NamespaceScoped() bool   { return p.namespaced }
func (p parent) GetSingularName() string { return p.singular }
func (parent) Get(context.Context, string, *metav1.GetOptions) (runtime.Object, error) {
	return nil, apierrors.NewInternalError(fmt.Errorf("not part of the test"))
}

var _ rest.Getter = parent{}

// serve starts the API server and returns how a client reaches it.
func (r *rig) serve() *clientrest.Config {
	r.t.Helper()
	scheme := newScheme(r.t)
	codecs := serializer.NewCodecFactory(scheme)
	config := genericapiserver.NewConfig(codecs)
	config.EffectiveVersion = basecompatibility.NewEffectiveVersionFromString(baseversion.DefaultKubeBinaryVersion, "", "")
	config.LoopbackClientConfig = &clientrest.Config{}
	config.ExternalAddress = "127.0.0.1:1"
	namer := openapinamer.NewDefinitionNamer(scheme)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))
	config.Authentication.Authenticator = bearertoken.New(authenticator.TokenFunc(func(_ context.Context, token string) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: token}}, true, nil
	}))
	config.Authorization.Authorizer = r
	config.AdmissionControl = r
	server, err := config.Complete(nil).New("rig", genericapiserver.NewEmptyDelegate())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(server.Destroy)
	group := genericapiserver.NewDefaultAPIGroupInfo("", scheme, runtime.NewParameterCodec(scheme), codecs)
	group.VersionedResourcesStorageMap["v1"] = map[string]rest.Storage{
		"pods":             parent{&corev1.Pod{}, true, "pod"},
		"pods/log":         NewLogREST(r.connector),
		"pods/exec":        NewExecREST(r.connector, r),
		"pods/attach":      NewAttachREST(r.connector, r),
		"pods/portforward": NewPortForwardREST(r.connector, r),
		"pods/proxy":       NewPodProxyREST(r.connector),
		"nodes":            parent{&corev1.Node{}, false, "node"},
		"nodes/proxy":      NewNodeProxyREST(r.connector),
		"services":         parent{&corev1.Service{}, true, "service"},
		"services/proxy":   NewServiceProxyREST(r.connector, r.getService, r.listSlices),
	}
	if err := server.InstallLegacyAPIGroup("/api", &group); err != nil {
		r.t.Fatal(err)
	}
	for _, service := range server.Handler.GoRestfulContainer.RegisteredWebServices() {
		r.routes = append(r.routes, service.Routes()...)
	}
	front := httptest.NewServer(server.Handler)
	r.t.Cleanup(front.Close)
	return &clientrest.Config{Host: front.URL, BearerToken: "alice"}
}

// newScheme registers the types as a pool's server does.
func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	hub := schema.GroupVersion{Version: runtime.APIVersionInternal}
	for kind, goType := range scheme.KnownTypes(corev1.SchemeGroupVersion) {
		if strings.HasPrefix(goType.PkgPath(), "k8s.io/api/") {
			obj, err := scheme.New(corev1.SchemeGroupVersion.WithKind(kind))
			if err != nil {
				t.Fatal(err)
			}
			scheme.AddKnownTypeWithName(hub.WithKind(kind), obj)
		}
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	if err := AddConversions(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func (r *rig) clientset() *kubernetes.Clientset {
	r.t.Helper()
	clientset, err := kubernetes.NewForConfig(r.client)
	if err != nil {
		r.t.Fatal(err)
	}
	return clientset
}

// url returns that of a subresource of the pod, or of another path after the
// namespace.
func (r *rig) url(path string, query url.Values) *url.URL {
	r.t.Helper()
	u, err := url.Parse(r.client.Host + path)
	if err != nil {
		r.t.Fatal(err)
	}
	u.RawQuery = query.Encode()
	return u
}

func podPath(subresource string) string {
	return "/api/v1/namespaces/" + namespace + "/pods/" + podName + "/" + subresource
}

// reply is what came of a request.
type reply struct {
	StatusCode int
	Status     string
	Header     http.Header
	Body       io.Reader // closed when the test ends
}

// do sends a request as alice. It follows no redirects.
func (r *rig) do(method, path string, header http.Header) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.client.Host+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", "Bearer "+r.client.BearerToken)
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return reply{resp.StatusCode, resp.Status, resp.Header, resp.Body}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Not in 30s: %s", what)
		}
	}
}
