// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/utils/clock"
)

// newStorage is the storage of an API server on the client.
func newStorage(t *testing.T, client *clientv3.Client) storage.Interface {
	t.Helper()
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	for _, add := range []func(*runtime.Scheme) error{example.AddToScheme, examplev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	codec := apitesting.TestCodec(serializer.NewCodecFactory(scheme), examplev1.SchemeGroupVersion)
	kube := &kubernetes.Client{Client: client}
	kube.Kubernetes = kube
	compactor := etcd3.NewCompactor(client, 0, clock.RealClock{}, nil)
	t.Cleanup(compactor.Stop)
	versioner := storage.APIObjectVersioner{}
	store, err := etcd3.New(kube, compactor, codec,
		func() runtime.Object { return &example.Pod{} }, func() runtime.Object { return &example.PodList{} },
		"", "/pods/", schema.GroupResource{Resource: "pods"},
		storagetesting.NewPrefixTransformer([]byte("test!"), false),
		etcd3.NewDefaultLeaseManagerConfig(), etcd3.NewDefaultDecoder(codec, versioner), versioner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// TestStorageSuite runs the suite by which Kubernetes tests its storage, on both
// ways to a member.
func TestStorageSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	type suite = func(context.Context, *testing.T, storage.Interface)
	ignoreKey := func(context.Context, *testing.T, string) {}
	// Not among them is RunTestNamespaceScopedWatch, which changes keys right after it
	// has begun to watch, dozens of times. etcd notes that a watch wants previous
	// values only once it has begun, so that on a busy machine an event comes without;
	// an API server ends such a watch, and its client lists anew.
	cases := map[string]suite{
		"create": func(ctx context.Context, t *testing.T, s storage.Interface) {
			storagetesting.RunTestCreate(ctx, t, s, ignoreKey)
		},
		"create with TTL":                    storagetesting.RunTestCreateWithTTL,
		"create what exists":                 storagetesting.RunTestCreateWithKeyExist,
		"get":                                storagetesting.RunTestGet,
		"delete":                             storagetesting.RunTestUnconditionalDelete,
		"delete with preconditions":          storagetesting.RunTestConditionalDelete,
		"delete in conflict":                 storagetesting.RunTestDeleteWithConflict,
		"update in conflict":                 storagetesting.RunTestGuaranteedUpdateWithConflict,
		"update with TTL":                    storagetesting.RunTestGuaranteedUpdateWithTTL,
		"list by prefix":                     storagetesting.RunTestGetListRecursivePrefix,
		"list in pages":                      storagetesting.RunTestListPaging,
		"list of a namespace":                storagetesting.RunTestNamespaceScopedList,
		"watch":                              storagetesting.RunTestWatch,
		"watch from a version":               storagetesting.RunTestWatchFromNonZero,
		"watch of a delete":                  storagetesting.RunTestDeleteTriggerWatch,
		"watch delayed":                      storagetesting.RunTestDelayedWatchDelivery,
		"watch cancelled":                    storagetesting.RunTestWatchContextCancel,
		"watch timed out":                    storagetesting.RunTestWatcherTimeout,
		"watch of a delete has its version":  storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV,
		"watch with initial events":          storagetesting.RunWatchSemantics,
		"watch with initial events, further": storagetesting.RunWatchSemanticInitialEventsExtended,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			for _, way := range []string{"direct", "connection"} {
				t.Run(way, func(t *testing.T) {
					s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
					run(t.Context(), t, newStorage(t, clients(t, s)[way]))
				})
			}
		})
	}
}

// TestWatchProgress asks for progress as the watch cache does before it answers a
// consistent read, with the same context as the watch.
func TestWatchProgress(t *testing.T) {
	s := startMember(t, Config{Dir: t.TempDir(), UnsafeNoFsync: true})
	for way, client := range clients(t, s) {
		t.Run(way, func(t *testing.T) {
			ctx := clientv3.WithRequireLeader(t.Context())
			watch := client.Watch(ctx, "/watched/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
			if r := <-watch; !r.Created {
				t.Fatalf("got %+v, want that the watch has begun", r)
			}
			put, err := client.Put(ctx, "/elsewhere", "value")
			if err != nil {
				t.Fatal(err)
			}
			deadline := time.After(30 * time.Second)
			for {
				if err := client.RequestProgress(ctx); err != nil {
					t.Fatal(err)
				}
				select {
				case r := <-watch:
					if !r.IsProgressNotify() {
						t.Fatalf("got %+v, want progress", r)
					}
					if r.Header.Revision >= put.Header.Revision {
						return
					}
				case <-time.After(100 * time.Millisecond):
				case <-deadline:
					t.Fatalf("no progress to revision %d", put.Header.Revision)
				}
			}
		})
	}
}
