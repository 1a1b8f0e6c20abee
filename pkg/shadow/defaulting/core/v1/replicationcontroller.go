// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
)

// SetDefaults_ReplicationController selects by the labels of the template and
// carries them itself.
func SetDefaults_ReplicationController(controller *corev1.ReplicationController) {
	if controller.Spec.Template == nil || controller.Spec.Template.Labels == nil {
		return
	}
	labels := controller.Spec.Template.Labels
	if len(controller.Spec.Selector) == 0 {
		controller.Spec.Selector = maps.Clone(labels)
	}
	if len(controller.Labels) == 0 {
		controller.Labels = maps.Clone(labels)
	}
}
