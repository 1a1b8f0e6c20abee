// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
)

// SetDefaults_NodeSpec brings the address range of pods into step with the
// list of ranges, of which it is the first.
func SetDefaults_NodeSpec(spec *corev1.NodeSpec) {
	if spec.PodCIDR != "" && (len(spec.PodCIDRs) == 0 || spec.PodCIDRs[0] != spec.PodCIDR) {
		spec.PodCIDRs = []string{spec.PodCIDR}
	}
	if len(spec.PodCIDRs) > 0 {
		spec.PodCIDR = spec.PodCIDRs[0]
	}
}

// SetDefaults_NodeStatus offers to pods all that a node has.
func SetDefaults_NodeStatus(status *corev1.NodeStatus) {
	if status.Allocatable == nil {
		status.Allocatable = status.Capacity.DeepCopy()
	}
}
