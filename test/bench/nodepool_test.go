// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/test/bench/compare"
	"github.com/steppe-io/steppe/test/cloud"
)

const (
	poolsInLists = 5000
	writers      = 16
)

// rivals are the two ways to serve the same objects through one kube-apiserver,
// with durable writes on both sides.
var rivals []*rival

func TestMain(m *testing.M) {
	cloud.Main()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "steppe-bench-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	c, err := cloud.Start(ctx, controlplane.Config{Dir: dir, Fsync: true})
	if err != nil {
		return 1, err
	}
	defer c.Stop()
	server, err := c.NewServer("yurt-apiserver", "--etcd-data-dir="+filepath.Join(dir, "yurt-apiserver"))
	if err != nil {
		return 1, err
	}
	if err := server.Start(); err != nil {
		return 1, err
	}
	if err := c.Register(ctx, server.Port, server); err != nil {
		return 1, err
	}
	if err := createCRD(ctx, c.RESTConfig()); err != nil {
		return 1, err
	}
	for name, group := range map[string]string{"aggregated": v1beta2.GroupName, "crd": crdGroup} {
		r, err := newRival(c.RESTConfig(), name, group)
		if err != nil {
			return 1, err
		}
		rivals = append(rivals, r)
	}
	slices.SortFunc(rivals, func(a, b *rival) int { return len(b.name) - len(a.name) })
	return m.Run(), nil
}

func createCRD(ctx context.Context, config *rest.Config) error {
	client, err := apiextensions.NewForConfig(config)
	if err != nil {
		return err
	}
	crd, err := newCRD()
	if err != nil {
		return err
	}
	if _, err := client.ApiextensionsV1().CustomResourceDefinitions().Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		return err
	}
	r, err := newRival(config, "crd", crdGroup)
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := r.list(ctx)
		return err == nil, nil
	})
}

// rival is a client of one side. Both decode into the same Go types.
type rival struct {
	name   string
	client *rest.RESTClient
}

func (r *rival) String() string { return r.name }

func newRival(config *rest.Config, name, group string) (*rival, error) {
	gv := schema.GroupVersion{Group: group, Version: v1beta2.SchemeGroupVersion.Version}
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(gv, &v1beta2.NodePool{}, &v1beta2.NodePoolList{})
	metav1.AddToGroupVersion(scheme, gv)
	config = rest.CopyConfig(config)
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	return &rival{name: name, client: client}, err
}

func (r *rival) create(ctx context.Context, pool *v1beta2.NodePool) (*v1beta2.NodePool, error) {
	out := &v1beta2.NodePool{}
	return out, r.client.Post().Resource("nodepools").Body(pool).Do(ctx).Into(out)
}

func (r *rival) update(ctx context.Context, pool *v1beta2.NodePool) (*v1beta2.NodePool, error) {
	out := &v1beta2.NodePool{}
	return out, r.client.Put().Resource("nodepools").Name(pool.Name).Body(pool).Do(ctx).Into(out)
}

func (r *rival) get(ctx context.Context, name string) (*v1beta2.NodePool, error) {
	out := &v1beta2.NodePool{}
	return out, r.client.Get().Resource("nodepools").Name(name).Do(ctx).Into(out)
}

func (r *rival) list(ctx context.Context) (*v1beta2.NodePoolList, error) {
	out := &v1beta2.NodePoolList{}
	return out, r.client.Get().Resource("nodepools").Do(ctx).Into(out)
}

func (r *rival) watch(ctx context.Context, from string) (watch.Interface, error) {
	options := &metav1.ListOptions{Watch: true, ResourceVersion: from}
	return r.client.Get().Resource("nodepools").VersionedParams(options, metav1.ParameterCodec).Watch(ctx)
}

var serial atomic.Int64

// newPool is a pool as users have them. It says everything that the server would
// otherwise fill in, so that both sides store the same.
func newPool() *v1beta2.NodePool {
	n := serial.Add(1)
	return &v1beta2.NodePool{
		TypeMeta:   metav1.TypeMeta{Kind: "NodePool"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("site-%06d", n), Labels: map[string]string{"nodepool.openyurt.io/type": "edge", "region": "west"}},
		Spec: v1beta2.NodePoolSpec{
			Type:                   v1beta2.Edge,
			Labels:                 map[string]string{"topology.kubernetes.io/zone": fmt.Sprint("zone-", n%10), "site": fmt.Sprint(n)},
			Annotations:            map[string]string{"owner": "ops@example.com", "address": "1 Example Street, Exampletown"},
			Taints:                 []corev1.Taint{{Key: "edge", Value: "true", Effect: corev1.TaintEffectNoSchedule}},
			LeaderElectionStrategy: v1beta2.ElectionStrategyRandom,
			LeaderReplicas:         1,
			PoolScopeMetadata: []metav1.GroupVersionResource{
				{Version: "v1", Resource: "services"},
				{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
			},
		},
	}
}

func measure(b *testing.B, op func(ctx context.Context, r *rival) error) {
	b.Helper()
	compare.Latency(b, rivals, op)
}

func mustCreate(b *testing.B, r *rival) *v1beta2.NodePool {
	b.Helper()
	pool, err := r.create(b.Context(), newPool())
	if err != nil {
		b.Fatal(err)
	}
	return pool
}

func BenchmarkGet(b *testing.B) {
	pools := map[*rival]string{}
	for _, r := range rivals {
		pools[r] = mustCreate(b, r).Name
	}
	measure(b, func(ctx context.Context, r *rival) error {
		_, err := r.get(ctx, pools[r])
		return err
	})
}

func BenchmarkCreate(b *testing.B) {
	measure(b, func(ctx context.Context, r *rival) error {
		_, err := r.create(ctx, newPool())
		return err
	})
}

func BenchmarkUpdate(b *testing.B) {
	pools := map[*rival]*v1beta2.NodePool{}
	for _, r := range rivals {
		pools[r] = mustCreate(b, r)
	}
	measure(b, func(ctx context.Context, r *rival) (err error) {
		touch(pools[r])
		pools[r], err = r.update(ctx, pools[r])
		return err
	})
}

// touch changes a pool, so that an update is written.
func touch(pool *v1beta2.NodePool) {
	pool.Kind = "NodePool"
	pool.Spec.Annotations["touched"] = time.Now().String()
}

// BenchmarkWatch measures from the start of an update to its event at a watcher.
func BenchmarkWatch(b *testing.B) {
	pools, watches := map[*rival]*v1beta2.NodePool{}, map[*rival]watch.Interface{}
	for _, r := range rivals {
		pools[r] = mustCreate(b, r)
		w, err := r.watch(b.Context(), pools[r].ResourceVersion)
		if err != nil {
			b.Fatal(err)
		}
		defer w.Stop()
		watches[r] = w
	}
	measure(b, func(ctx context.Context, r *rival) (err error) {
		touch(pools[r])
		if pools[r], err = r.update(ctx, pools[r]); err != nil {
			return err
		}
		for event := range watches[r].ResultChan() {
			if pool, ok := event.Object.(*v1beta2.NodePool); ok && pool.ResourceVersion == pools[r].ResourceVersion {
				return nil
			}
		}
		return fmt.Errorf("the watch ended")
	})
}

// BenchmarkWriters16 measures rounds in which 16 clients write at once: each
// creates a pool and updates it three times.
func BenchmarkWriters16(b *testing.B) {
	const updates = 3
	round := func(ctx context.Context, r *rival) error {
		var clients sync.WaitGroup
		failures := make(chan error, writers)
		for range writers {
			clients.Go(func() {
				pool, err := r.create(ctx, newPool())
				for i := 0; i < updates && err == nil; i++ {
					touch(pool)
					pool, err = r.update(ctx, pool)
				}
				if err != nil {
					failures <- err
				}
			})
		}
		clients.Wait()
		select {
		case err := <-failures:
			return err
		default:
			return nil
		}
	}
	measure(b, round)
}

// BenchmarkList5000 measures a consistent list of all of 5,000 pools, decoded.
func BenchmarkList5000(b *testing.B) {
	fill(b)
	measure(b, func(ctx context.Context, r *rival) error {
		_, err := r.list(ctx)
		return err
	})
	for _, r := range rivals {
		list, err := r.list(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(list.Items)), r.name+"-pools")
	}
}

// fill leaves exactly poolsInLists pools on both sides.
func fill(b *testing.B) {
	b.Helper()
	for _, r := range rivals {
		list, err := r.list(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var clients sync.WaitGroup
		limit := make(chan struct{}, writers)
		do := func(op func() error) {
			limit <- struct{}{}
			clients.Go(func() {
				defer func() { <-limit }()
				if err := op(); err != nil {
					b.Error(err)
				}
			})
		}
		for i := len(list.Items); i < poolsInLists; i++ {
			do(func() error { _, err := r.create(b.Context(), newPool()); return err })
		}
		for i := poolsInLists; i < len(list.Items); i++ {
			do(func() error {
				return r.client.Delete().Resource("nodepools").Name(list.Items[i].Name).Do(b.Context()).Error()
			})
		}
		clients.Wait()
	}
}
