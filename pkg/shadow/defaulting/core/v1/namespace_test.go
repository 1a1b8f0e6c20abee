// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNamespaceYetToBeNamedIsNotLabelled(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}}
	SetObjectDefaults_Namespace(namespace)
	if len(namespace.Labels) > 0 {
		t.Errorf("it has the labels %v", namespace.Labels)
	}
	if namespace.Status.Phase != corev1.NamespaceActive {
		t.Errorf("its phase is %q", namespace.Status.Phase)
	}
}
