// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_Namespace labels a namespace with its name. One whose name is
// yet to be generated gets the label from its strategy.
func SetDefaults_Namespace(namespace *corev1.Namespace) {
	if namespace.Name == "" {
		return
	}
	if namespace.Labels == nil {
		namespace.Labels = map[string]string{}
	}
	namespace.Labels[corev1.LabelMetadataName] = namespace.Name
}

// SetDefaults_NamespaceStatus starts a namespace as active.
func SetDefaults_NamespaceStatus(status *corev1.NamespaceStatus) {
	fill.Zero(&status.Phase, corev1.NamespaceActive)
}
