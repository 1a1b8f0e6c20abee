// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_NetworkPolicy has a policy isolate for incoming traffic, and for
// outgoing traffic if it has rules about it.
func SetDefaults_NetworkPolicy(policy *networkingv1.NetworkPolicy) {
	if len(policy.Spec.PolicyTypes) > 0 {
		return
	}
	policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(policy.Spec.Egress) > 0 {
		policy.Spec.PolicyTypes = append(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
}

// SetDefaults_NetworkPolicyPort means TCP.
func SetDefaults_NetworkPolicyPort(port *networkingv1.NetworkPolicyPort) {
	fill.Nil(&port.Protocol, corev1.ProtocolTCP)
}

// SetDefaults_IngressClass looks for parameters in the cluster.
func SetDefaults_IngressClass(class *networkingv1.IngressClass) {
	if class.Spec.Parameters != nil {
		fill.Nil(&class.Spec.Parameters.Scope, networkingv1.IngressClassParametersReferenceScopeCluster)
	}
}
