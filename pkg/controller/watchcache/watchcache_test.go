// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package watchcache

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTrimNode(t *testing.T) {
	own := metav1.ManagedFieldsEntry{Manager: FieldManagerPrefix + "nodepool", Operation: metav1.ManagedFieldsOperationApply}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "n", Labels: map[string]string{"k": "v"}, Annotations: map[string]string{"a": "b"},
			ManagedFields: []metav1.ManagedFieldsEntry{
				{Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate},
				own,
				{Manager: own.Manager, Operation: metav1.ManagedFieldsOperationUpdate}, // the taints
				{Manager: "gitops", Operation: metav1.ManagedFieldsOperationApply},
			},
		},
		Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "t"}}},
		Status: corev1.NodeStatus{
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady}},
			Addresses:       []corev1.NodeAddress{{Address: "192.0.2.1"}},
			Images:          []corev1.ContainerImage{{Names: []string{"i"}}},
			VolumesInUse:    []corev1.UniqueVolumeName{"v"},
			VolumesAttached: []corev1.AttachedVolume{{Name: "v"}},
		},
	}
	want := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "n", Labels: map[string]string{"k": "v"}, Annotations: map[string]string{"a": "b"},
			ManagedFields: []metav1.ManagedFieldsEntry{own},
		},
		Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "t"}}},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady}},
			Addresses:  []corev1.NodeAddress{{Address: "192.0.2.1"}},
		},
	}
	got, err := trimNode(node)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
