// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestNamespaceIsEmptiedAndGoes(t *testing.T) {
	r := newRig(t)
	r.collect(t)
	const name = "ending"
	r.namespace(t, name)
	_, err := r.CoreV1().ServiceAccounts(name).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	must(t, err)
	// A pod that runs goes when its kubelet says so.
	_, err = r.CoreV1().Pods(name).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "running"},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "c", Image: "example.com/i"}}},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.CoreV1().ConfigMaps(name).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept", Finalizers: []string{"example.com/keep"}}}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.CoreV1().Secrets(name).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}, metav1.CreateOptions{})
	must(t, err)
	must(t, r.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}))

	told := func(of corev1.NamespaceConditionType, words string) func() bool {
		return func() bool {
			n, err := r.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
			must(t, err)
			return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NamespaceCondition) bool {
				return c.Type == of && c.Status == corev1.ConditionTrue && strings.Contains(c.Message, words)
			})
		}
	}
	eventually(t, "it says that a pod is left", told(corev1.NamespaceContentRemaining, "pods has 1 resource instances"))
	pod, err := r.CoreV1().Pods(name).Get(t.Context(), "running", metav1.GetOptions{})
	must(t, err)
	if pod.DeletionTimestamp == nil {
		t.Error("the pod was not told to go")
	}
	if o, err := r.CoreV1().ConfigMaps(name).Get(t.Context(), "kept", metav1.GetOptions{}); err != nil || o.DeletionTimestamp != nil {
		t.Errorf("pods go first: %v %v", o, err)
	}
	zero := int64(0)
	must(t, r.CoreV1().Pods(name).Delete(t.Context(), "running", metav1.DeleteOptions{GracePeriodSeconds: &zero}))
	eventually(t, "it says what keeps it", told(corev1.NamespaceFinalizersRemaining, "example.com/keep in 1 resource instances"))
	if _, err := r.CoreV1().Secrets(name).Get(t.Context(), "plain", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what nothing keeps is gone, not %v", err)
	}
	_, err = r.CoreV1().ConfigMaps(name).Patch(t.Context(), "kept", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	must(t, err)
	eventually(t, "the namespace is gone", func() bool {
		_, err := r.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if _, err := r.CoreV1().Namespaces().Get(t.Context(), site, metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestConditionsChangeOnlyWhenTheySayElse(t *testing.T) {
	status := &corev1.NamespaceStatus{}
	left := &remains{objects: map[string]int64{"pods": 2}, finalizers: map[string]int{}}
	set := func(left *remains, err error) (changed bool) {
		for _, c := range conditions(left, err) {
			changed = setCondition(status, c) || changed
		}
		return changed
	}
	if !set(left, nil) || len(status.Conditions) != 4 {
		t.Fatalf("conditions are %v", status.Conditions)
	}
	if set(left, nil) {
		t.Error("the same said again is no change")
	}
	left.failures = []error{errors.New("no way")}
	if !set(left, nil) {
		t.Error("a failure is a change")
	}
	if !set(nil, errors.New("no discovery")) || len(status.Conditions) != 4 {
		t.Errorf("conditions are %v", status.Conditions)
	}
}
