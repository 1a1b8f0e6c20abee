// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/test/testcluster"
)

// cluster is a real kube-apiserver, which is always right.
var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// patience bounds waits for the informers of the real server.
const patience = time.Minute

// rbacObject is a role or a binding.
type rbacObject interface {
	metav1.Object
	runtime.Object
}

func resourceOf(object rbacObject) string {
	return strings.ToLower(reflect.TypeOf(object).Elem().Name()) + "s"
}

func realClient(t *testing.T, change ...func(*rest.Config)) *kubernetes.Clientset {
	t.Helper()
	config := testcluster.Need(t, cluster).RESTConfig()
	for _, f := range change {
		f(config)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func impersonate(u user.Info) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Impersonate = rest.ImpersonationConfig{UserName: u.GetName(), Groups: u.GetGroups()}
	}
}

// follow creates objects in the real server, which stay for the other tests, and
// returns an authorizer that has heard of them.
func follow(t *testing.T, client kubernetes.Interface, objects []rbacObject) *Authorizer {
	t.Helper()
	for _, name := range []string{"blue", "red"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for _, o := range objects {
		err := client.RbacV1().RESTClient().Post().Resource(resourceOf(o)).NamespaceIfScoped(o.GetNamespace(), o.GetNamespace() != "").Body(o).Do(t.Context()).Error()
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	return newAuthorizer(t, client) // it lists after the writes
}

// existing returns what the real server has under an object's name, or nil.
func existing(t *testing.T, client kubernetes.Interface, object rbacObject) rbacObject {
	t.Helper()
	found := reflect.New(reflect.TypeOf(object).Elem()).Interface().(rbacObject)
	err := client.RbacV1().RESTClient().Get().Resource(resourceOf(object)).NamespaceIfScoped(object.GetNamespace(), object.GetNamespace() != "").
		Name(object.GetName()).Do(t.Context()).Into(found)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// edited returns an existing object with what an editor would change.
func edited(old, to rbacObject) rbacObject {
	o := old.DeepCopyObject().(rbacObject)
	o.SetLabels(to.GetLabels())
	o.SetOwnerReferences(to.GetOwnerReferences())
	o.SetFinalizers(to.GetFinalizers())
	switch to := to.(type) {
	case *rbacv1.Role:
		o.(*rbacv1.Role).Rules = to.Rules
	case *rbacv1.ClusterRole:
		o.(*rbacv1.ClusterRole).Rules, o.(*rbacv1.ClusterRole).AggregationRule = to.Rules, to.AggregationRule
	case *rbacv1.RoleBinding:
		o.(*rbacv1.RoleBinding).Subjects = to.Subjects
	case *rbacv1.ClusterRoleBinding:
		o.(*rbacv1.ClusterRoleBinding).Subjects = to.Subjects
	}
	return o
}

// dryRun tries a create, or an update if there is an old object.
func dryRun(ctx context.Context, client kubernetes.Interface, object, old rbacObject) error {
	r := client.RbacV1().RESTClient().Post()
	if old != nil {
		r = client.RbacV1().RESTClient().Put().Name(object.GetName())
	}
	return r.Resource(resourceOf(object)).NamespaceIfScoped(object.GetNamespace(), object.GetNamespace() != "").
		Param("dryRun", metav1.DryRunAll).Body(object).Do(ctx).Error()
}
