// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	return RegisterDefaults(scheme)
}

// SetDefaults_NodePoolSpec fills in what the API documents as defaults.
func SetDefaults_NodePoolSpec(spec *NodePoolSpec) {
	if spec.Type == "" {
		spec.Type = Edge
	}
}
