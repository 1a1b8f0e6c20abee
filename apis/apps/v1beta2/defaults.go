// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta2

import "k8s.io/apimachinery/pkg/runtime"

func addDefaultingFuncs(scheme *runtime.Scheme) error {
	return RegisterDefaults(scheme)
}

// SetDefaults_NodePoolSpec fills in what the API documents as defaults.
func SetDefaults_NodePoolSpec(spec *NodePoolSpec) {
	if spec.Type == "" {
		spec.Type = Edge
	}
	if spec.LeaderElectionStrategy == "" {
		spec.LeaderElectionStrategy = ElectionStrategyRandom
	}
	if spec.LeaderReplicas <= 0 {
		spec.LeaderReplicas = 1
	}
}
