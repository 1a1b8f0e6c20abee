// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shadowtest gives tests a server of Kubernetes' own resources, in the same
// process and without what callers need to be somebody.
package shadowtest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	k8sadmission "k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/client-go/rest"

	generated "github.com/steppe-io/steppe/generated/openapi/builtin"
	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/admission"
	"github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/clusterip"
	"github.com/steppe-io/steppe/pkg/shadow/defaulting"
	"github.com/steppe-io/steppe/pkg/shadow/scheme"
)

// caller is who makes all requests.
var caller = &user.DefaultInfo{Name: "kubernetes-admin", Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated}, Extra: map[string][]string{
	user.CredentialIDKey: {"X509SHA256=0"},
}}

// Start serves Kubernetes' own resources out of an etcd of its own, to whoever
// asks, until the test ends. Change may be nil.
func Start(t testing.TB, change func(*builtin.Config)) (*rest.Config, *builtin.Resources) {
	t.Helper()
	types := apiserver.NewScheme(scheme.AddBuiltin)
	must(t, defaulting.AddToScheme(types))
	must(t, builtin.AddFieldLabels(types))
	api := apiserver.API{
		Title:       "test",
		Scheme:      types,
		Names:       apiserver.NewScheme(scheme.AddVersions),
		Codecs:      serializer.NewCodecFactory(types),
		Definitions: generated.GetOpenAPIDefinitions,
		Keys:        builtin.Keys(),
	}
	storageOptions := apiserver.NewStorageOptions("/registry", t.TempDir())
	storageOptions.UnsafeNoFsync = true
	storageOptions.Etcd.StorageConfig.Codec = nil
	options := apiserver.NewStandaloneOptions(storageOptions)
	options.Recommended.SecureServing.BindAddress = net.IPv4(127, 0, 0, 1)
	options.Recommended.SecureServing.BindPort = 0
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	options.Recommended.SecureServing.Listener = listener
	must(t, options.Recommended.SecureServing.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{net.IPv4(127, 0, 0, 1)}))
	must(t, options.Complete())

	storage, err := storageOptions.Start(context.Background())
	must(t, err)
	t.Cleanup(func() { must(t, storage.Close()) })
	config, err := options.Config(api, storage)
	must(t, err)
	config.Generic.Authentication.Authenticator = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: caller}, true, nil
	})
	config.Generic.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()

	resourcesConfig := builtin.Config{
		Scheme: types, Codecs: api.Codecs, Storage: config.Generic.RESTOptionsGetter, EventTTL: time.Hour,
	}
	if change != nil {
		change(&resourcesConfig)
	}
	resources, err := builtin.New(resourcesConfig)
	must(t, err)
	allocator, err := clusterip.New(clusterip.Config{
		Ranges:    []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}, // the kube-apiserver's
		NodePorts: utilnet.PortRange{Base: 30000, Size: 2768},
		Services:  resources.Store(corev1.Resource("services")),
		Addresses: resources.Store(networkingv1.Resource("ipaddresses")),
		Etcd:      storage.Client(), Prefix: "/nodeports",
	})
	must(t, err)
	resources.Allocate(allocator)
	config.Generic.AdmissionControl = plugins(t, resources, config.Generic.Authorization.Authorizer)
	config.API.Groups = resources.Groups()
	server, err := config.New("test")
	must(t, err)
	t.Cleanup(server.Generic.Destroy)
	prepared := server.Generic.PrepareRun()
	front := httptest.NewUnstartedServer(prepared.Handler)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	t.Cleanup(func() { _ = listener.Close() })
	return &rest.Config{
		Host:            front.URL,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		ContentConfig:   rest.ContentConfig{ContentType: runtime.ContentTypeJSON},
		QPS:             -1,
	}, resources
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plugins are those of package admission, without the others that servers have.
func plugins(t testing.TB, resources *builtin.Resources, authorizer authorizer.Authorizer) k8sadmission.Interface {
	t.Helper()
	objects := admission.NewObjects(func(r schema.GroupResource) admission.Store { return resources.Store(r) })
	registered := k8sadmission.NewPlugins()
	admission.Register(registered, objects, authorizer)
	config, err := k8sadmission.ReadAdmissionConfiguration(nil, "", nil)
	must(t, err)
	chain, err := registered.NewFromPlugins(slices.Concat(admission.First, admission.Then), config, nothing{}, nil)
	must(t, err)
	return chain
}

// nothing is what the plugins need of a server.
type nothing struct{}

func (nothing) Initialize(k8sadmission.Interface) {}
