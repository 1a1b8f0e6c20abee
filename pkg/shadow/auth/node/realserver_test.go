// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/steppe-io/steppe/test/testcluster"
)

// cluster is a real kube-apiserver, which is always right.
var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// apiObject is any object of the API.
type apiObject interface {
	metav1.Object
	runtime.Object
}

func realClient(t *testing.T, change ...func(*rest.Config)) *kubernetes.Clientset {
	t.Helper()
	config := testcluster.Need(t, cluster).RESTConfig()
	config.WarningHandler = rest.NoWarnings{} // some volumes are deprecated
	for _, f := range change {
		f(config)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func kubeletOf(node string) user.Info {
	return &user.DefaultInfo{Name: userPrefix + node, Groups: []string{user.NodesGroup, user.AllAuthenticated}}
}

func impersonate(u user.Info) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Impersonate = rest.ImpersonationConfig{UserName: u.GetName(), Groups: u.GetGroups()}
	}
}

// restClient returns the client for the group of a resource.
func restClient(client kubernetes.Interface, group string) rest.Interface {
	switch group {
	case "":
		return client.CoreV1().RESTClient()
	case "storage.k8s.io":
		return client.StorageV1().RESTClient()
	case "coordination.k8s.io":
		return client.CoordinationV1().RESTClient()
	case "resource.k8s.io":
		return client.ResourceV1().RESTClient()
	case "certificates.k8s.io":
		return client.CertificatesV1().RESTClient()
	case "rbac.authorization.k8s.io":
		return client.RbacV1().RESTClient()
	default:
		panic("no client for " + group)
	}
}

// create creates an object in the real server, where it stays for the other tests.
func create(t *testing.T, client kubernetes.Interface, group string, o apiObject) {
	t.Helper()
	resource := strings.ToLower(reflect.TypeOf(o).Elem().Name()) + "s"
	err := restClient(client, group).Post().Resource(resource).NamespaceIfScoped(o.GetNamespace(), o.GetNamespace() != "").Body(o).Do(t.Context()).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("create %s %s: %v", resource, o.GetName(), err)
	}
}

// follow returns a graph that has heard of all in the real server, with stripped
// pods.
func follow(t *testing.T, client kubernetes.Interface) *Graph {
	t.Helper()
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	if err := pods.SetTransform(StripPod); err != nil {
		t.Fatal(err)
	}
	graph, err := NewGraph(Informers{
		Pods:              pods,
		PersistentVolumes: factory.Core().V1().PersistentVolumes().Informer(),
		VolumeAttachments: factory.Storage().V1().VolumeAttachments().Informer(),
		ResourceSlices:    factory.Resource().V1().ResourceSlices().Informer(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	factory.StartWithContext(ctx)
	t.Cleanup(func() {
		cancel()
		factory.Shutdown()
	})
	if !cache.WaitForCacheSync(ctx.Done(), graph.HasSynced) {
		t.Fatal("The graph did not sync")
	}
	return graph
}

// directGetters read from the real server.
func directGetters(client kubernetes.Interface) Getters {
	return Getters{
		Pod: func(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
			return client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		Node: func(ctx context.Context, name string) (*corev1.Node, error) {
			return client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		},
		Claim: func(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error) {
			return client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		Volume: func(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
			return client.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
		},
		CSIDriver: func(ctx context.Context, name string) (*storagev1.CSIDriver, error) {
			return client.StorageV1().CSIDrivers().Get(ctx, name, metav1.GetOptions{})
		},
	}
}
