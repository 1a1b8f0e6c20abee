// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_Container decides when the image is pulled and where the
// container leaves its last words.
func SetDefaults_Container(container *corev1.Container) {
	if container.ImagePullPolicy == "" {
		container.ImagePullPolicy = pullPolicy(container.Image)
	}
	fill.Zero(&container.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	fill.Zero(&container.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
}

// SetDefaults_EphemeralContainer treats it as any other container.
func SetDefaults_EphemeralContainer(container *corev1.EphemeralContainer) {
	SetDefaults_Container((*corev1.Container)(&container.EphemeralContainerCommon))
}

// SetDefaults_Probe leaves no zero with which a kubelet could not probe: it
// panics on a period of none.
func SetDefaults_Probe(probe *corev1.Probe) {
	fill.Zero(&probe.TimeoutSeconds, 1)
	fill.Zero(&probe.PeriodSeconds, 10)
	fill.Zero(&probe.SuccessThreshold, 1)
	fill.Zero(&probe.FailureThreshold, 3)
}

// SetDefaults_HTTPGetAction asks for the root over plain HTTP.
func SetDefaults_HTTPGetAction(action *corev1.HTTPGetAction) {
	fill.Zero(&action.Path, "/")
	fill.Zero(&action.Scheme, corev1.URISchemeHTTP)
}

// SetDefaults_ObjectFieldSelector reads the field as v1 has it.
func SetDefaults_ObjectFieldSelector(selector *corev1.ObjectFieldSelector) {
	fill.Zero(&selector.APIVersion, "v1")
}
