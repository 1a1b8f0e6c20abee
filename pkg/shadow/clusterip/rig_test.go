// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/steppe-io/steppe/pkg/etcd"
	"github.com/steppe-io/steppe/pkg/shadow/defaulting"
	"github.com/steppe-io/steppe/pkg/shadow/scheme"
	"github.com/steppe-io/steppe/pkg/shadow/validation"
)

// member is the etcd of all tests. Each uses keys of its own.
var member *etcd.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "steppe-clusterip-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if member, err = etcd.Start(ctx, etcd.Config{Dir: dir, UnsafeNoFsync: true}); err != nil {
			panic(err)
		}
		defer member.Close()
		return m.Run()
	}())
}

// coordinator is what one coordinator of a pool has: stores over the pool's etcd
// and an allocator attached to them.
type coordinator struct {
	*Allocator
	services, addresses *genericregistry.Store
	kv                  clientv3.KV
	clock               *clocktesting.FakePassiveClock
}

var (
	poolRanges    = []netip.Prefix{netip.MustParsePrefix("10.112.0.0/26"), netip.MustParsePrefix("fd00:112::/120")}
	poolNodePorts = utilnet.PortRange{Base: 32000, Size: 48}
	cloudRanges   = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:96::/112")}
)

// newPool returns the coordinators of a new pool.
func newPool(t *testing.T, coordinators int, change ...func(*Config)) []*coordinator {
	t.Helper()
	types := runtime.NewScheme()
	scheme.AddBuiltin(types)
	if err := defaulting.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	prefix := "/" + string(uuid.NewUUID())
	var pool []*coordinator
	for range coordinators {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + member.SocketPath()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		c := &coordinator{kv: client, clock: clocktesting.NewFakePassiveClock(time.Now())}
		options := restOptions{types, prefix}
		c.services = newStore(t, options, "services", &corev1.Service{}, &corev1.ServiceList{}, true)
		c.addresses = newStore(t, options, "ipaddresses", &networkingv1.IPAddress{}, &networkingv1.IPAddressList{}, false)
		config := Config{
			Ranges: poolRanges, NodePorts: poolNodePorts, CloudRanges: func() []netip.Prefix { return cloudRanges },
			Services: c.services, Addresses: c.addresses, Etcd: client, Prefix: prefix + "/nodeports", Clock: c.clock,
		}
		for _, f := range change {
			f(&config)
		}
		if c.Allocator, err = New(config); err != nil {
			t.Fatal(err)
		}
		c.Attach(c.services)
		pool = append(pool, c)
	}
	return pool
}

type restOptions struct {
	scheme *runtime.Scheme
	prefix string
}

func (o restOptions) GetRESTOptions(resource schema.GroupResource, _ runtime.Object) (generic.RESTOptions, error) {
	version := schema.GroupVersion{Group: resource.Group, Version: "v1"}
	config := storagebackend.NewDefaultConfig(o.prefix, serializer.NewCodecFactory(o.scheme).LegacyCodec(version))
	config.Transport.ServerList = []string{"unix://" + member.SocketPath()}
	return generic.RESTOptions{
		StorageConfig:           config.ForResource(resource),
		Decorator:               generic.UndecoratedStorage,
		DeleteCollectionWorkers: 1,
		ResourcePrefix:          resource.Resource,
	}, nil
}

func newStore(t *testing.T, options restOptions, name string, obj, list runtime.Object, namespaced bool) *genericregistry.Store {
	t.Helper()
	kinds, _, err := options.scheme.ObjectKinds(obj)
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupResource{Group: kinds[0].Group, Resource: name}
	strategy := testStrategy{options.scheme, names.SimpleNameGenerator, namespaced}
	store := &genericregistry.Store{
		NewFunc:                   obj.DeepCopyObject,
		NewListFunc:               list.DeepCopyObject,
		DefaultQualifiedResource:  resource,
		SingularQualifiedResource: resource,
		CreateStrategy:            strategy,
		UpdateStrategy:            strategy,
		DeleteStrategy:            strategy,
		TableConvertor:            rest.NewDefaultTableConvertor(resource),
		PredicateFunc: func(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
			return storage.SelectionPredicate{Label: label, Field: field, GetAttrs: storage.DefaultNamespaceScopedAttr}
		},
	}
	if err := store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options, AttrFunc: storage.DefaultNamespaceScopedAttr}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Destroy)
	return store
}

// testStrategy does for Services what the pool's server does.
type testStrategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	namespaced bool
}

func (s testStrategy) NamespaceScoped() bool                          { return s.namespaced }
func (testStrategy) PrepareForCreate(context.Context, runtime.Object) {}
func (testStrategy) AllowCreateOnUpdate() bool                        { return true }
func (testStrategy) AllowUnconditionalUpdate() bool                   { return true }
func (testStrategy) Canonicalize(runtime.Object)                      {}
func (testStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	if service, ok := obj.(*corev1.Service); ok {
		DropUnneeded(service, old.(*corev1.Service))
	}
}

func (testStrategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.Create(obj)
}

func (testStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.Update(obj, old)
}

func (testStrategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

func (testStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// namespaced returns the context of a request.
func namespaced(ctx context.Context) context.Context {
	return genericapirequest.WithNamespace(ctx, metav1.NamespaceDefault)
}

// clean returns the Service as a request has it: defaulted, in a namespace.
func (c *coordinator) clean(service *corev1.Service) *corev1.Service {
	service = service.DeepCopy()
	service.Namespace = metav1.NamespaceDefault
	c.services.CreateStrategy.(testStrategy).ObjectTyper.(*runtime.Scheme).Default(service)
	return service
}

func (c *coordinator) create(ctx context.Context, service *corev1.Service, options ...string) (*corev1.Service, error) {
	obj, err := c.services.Create(namespaced(ctx), c.clean(service), rest.ValidateAllObjectFunc, &metav1.CreateOptions{DryRun: options})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Service), nil
}

func (c *coordinator) mustCreate(t *testing.T, service *corev1.Service) *corev1.Service {
	t.Helper()
	service, err := c.create(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func (c *coordinator) update(ctx context.Context, service *corev1.Service, options ...string) (*corev1.Service, error) {
	obj, _, err := c.services.Update(namespaced(ctx), service.Name, rest.DefaultUpdatedObjectInfo(c.clean(service)),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{DryRun: options})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Service), nil
}

func (c *coordinator) mustUpdate(t *testing.T, service *corev1.Service) *corev1.Service {
	t.Helper()
	service, err := c.update(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func (c *coordinator) delete(t *testing.T, name string, options ...string) {
	t.Helper()
	if _, _, err := c.services.Delete(namespaced(t.Context()), name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{DryRun: options}); err != nil {
		t.Fatal(err)
	}
}

// mirror writes a Service as the cloud has it, beneath the hooks.
func (c *coordinator) mirror(t *testing.T, service *corev1.Service) {
	t.Helper()
	service = c.clean(service)
	if err := c.services.Storage.Create(t.Context(), "/services/default/"+service.Name, service, &corev1.Service{}, 0, false); err != nil {
		t.Fatal(err)
	}
}

// recorded returns the addresses and ports that are recorded.
func (c *coordinator) recorded(t *testing.T) holding {
	t.Helper()
	h := newHolding()
	obj, err := c.addresses.List(t.Context(), &internalversion.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	items, err := meta.ExtractList(obj)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		h.addresses.Insert(netip.MustParseAddr(item.(*networkingv1.IPAddress).Name))
	}
	ports, err := c.ports.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for port := range ports {
		h.ports.Insert(port)
	}
	return h
}

// wantRecorded fails the test unless these Services' addresses and ports are
// recorded, and no others.
func (c *coordinator) wantRecorded(t *testing.T, services ...*corev1.Service) {
	t.Helper()
	want, got := holdingOf(services...), c.recorded(t)
	if !want.addresses.Equal(got.addresses) || !want.ports.Equal(got.ports) {
		t.Errorf("recorded are %v and %v, want %v and %v",
			got.addresses.UnsortedList(), got.ports.UnsortedList(), want.addresses.UnsortedList(), want.ports.UnsortedList())
	}
}

// service returns a Service with ports 80 and 53, changed as asked.
func service(name string, change ...func(*corev1.ServiceSpec)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports: []corev1.ServicePort{
				{Name: "http", Port: 80},
				{Name: "dns-tcp", Port: 53},
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
			},
		},
	}
	for _, f := range change {
		f(&s.Spec)
	}
	return s
}

func ofType(t corev1.ServiceType) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) {
		s.Type = t
		if t == corev1.ServiceTypeExternalName {
			s.ExternalName = "db.example.com"
		}
	}
}

func withIPs(ips ...string) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) { s.ClusterIP, s.ClusterIPs = ips[0], ips }
}

func withPolicy(policy corev1.IPFamilyPolicy) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) { s.IPFamilyPolicy = &policy }
}

// local makes a load balancer that asks nodes for their health.
func local(s *corev1.ServiceSpec) {
	s.Type = corev1.ServiceTypeLoadBalancer
	s.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}
