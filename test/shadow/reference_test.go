// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"os"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/test/testcluster"
)

// reference is a real kube-apiserver that is asked the same.
type reference struct {
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
}

// cluster starts the kube-apiserver when the first test needs it.
var cluster = sync.OnceValues(func() (*testcluster.Cluster, error) {
	dir, err := os.MkdirTemp("", "steppe-shadow-reference-")
	if err != nil {
		return nil, err
	}
	atEnd = append(atEnd, func() { os.RemoveAll(dir) })
	c, err := testcluster.Start(dir)
	if err != nil {
		return nil, err
	}
	atEnd = append(atEnd, c.Stop)
	return c, nil
})

// atEnd is done after all tests, the last first.
var atEnd []func()

// newReference returns a kube-apiserver with a namespace for the test. With -short
// it returns nil.
func newReference(t *testing.T) *reference {
	t.Helper()
	if testing.Short() {
		return nil
	}
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{config: c.RESTConfig()}
	if r.client, err = kubernetes.NewForConfig(r.config); err != nil {
		t.Fatal(err)
	}
	namespace, err := r.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.namespace = namespace.Name
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := r.client.CoreV1().ServiceAccounts(r.namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return r
}
