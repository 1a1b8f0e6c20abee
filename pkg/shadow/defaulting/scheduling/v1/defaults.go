// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_PriorityClass lets pods of the class displace others.
func SetDefaults_PriorityClass(class *schedulingv1.PriorityClass) {
	fill.Nil(&class.PreemptionPolicy, corev1.PreemptLowerPriority)
}
