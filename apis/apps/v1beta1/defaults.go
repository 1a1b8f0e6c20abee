// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/steppe-io/steppe/apis/apps"
)

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	return RegisterDefaults(scheme)
}

// SetDefaults_NodePool fills in what the API documents as defaults, and reads
// host networking from the annotation in which OpenYurt keeps it.
func SetDefaults_NodePool(pool *NodePool) {
	if pool.Spec.Type == "" {
		pool.Spec.Type = Edge
	}
	if pool.Annotations[apps.AnnotationHostNetwork] == "true" {
		pool.Spec.HostNetwork = true
	}
}
