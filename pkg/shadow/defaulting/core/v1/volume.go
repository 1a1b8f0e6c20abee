// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// tokenLifetime of a projected service account token, in seconds.
const tokenLifetime = 60 * 60

// SetDefaults_Volume makes a volume without a source an empty directory.
func SetDefaults_Volume(volume *corev1.Volume) {
	if volume.VolumeSource == (corev1.VolumeSource{}) {
		volume.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	if image := volume.Image; image != nil && image.PullPolicy == "" {
		image.PullPolicy = pullPolicy(image.Reference)
	}
}

// SetDefaults_SecretVolumeSource sets the mode of the files, without which a
// kubelet does not mount the volume.
func SetDefaults_SecretVolumeSource(source *corev1.SecretVolumeSource) {
	fill.Nil(&source.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
}

// SetDefaults_ConfigMapVolumeSource does as for Secrets.
func SetDefaults_ConfigMapVolumeSource(source *corev1.ConfigMapVolumeSource) {
	fill.Nil(&source.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
}

// SetDefaults_DownwardAPIVolumeSource does as for Secrets.
func SetDefaults_DownwardAPIVolumeSource(source *corev1.DownwardAPIVolumeSource) {
	fill.Nil(&source.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
}

// SetDefaults_ProjectedVolumeSource does as for Secrets.
func SetDefaults_ProjectedVolumeSource(source *corev1.ProjectedVolumeSource) {
	fill.Nil(&source.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
}

// SetDefaults_ServiceAccountTokenProjection lets the token live an hour.
func SetDefaults_ServiceAccountTokenProjection(projection *corev1.ServiceAccountTokenProjection) {
	fill.Nil(&projection.ExpirationSeconds, tokenLifetime)
}

// SetDefaults_HostPathVolumeSource says that nothing is checked before the
// path is mounted.
func SetDefaults_HostPathVolumeSource(source *corev1.HostPathVolumeSource) {
	fill.Nil(&source.Type, corev1.HostPathUnset)
}

// SetDefaults_PersistentVolume keeps what was stored on a released volume.
func SetDefaults_PersistentVolume(volume *corev1.PersistentVolume) {
	fill.Zero(&volume.Status.Phase, corev1.VolumePending)
	fill.Zero(&volume.Spec.PersistentVolumeReclaimPolicy, corev1.PersistentVolumeReclaimRetain)
	fill.Nil(&volume.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
}

// SetDefaults_PersistentVolumeClaim starts a claim as pending, also those that
// are templates in a StatefulSet.
func SetDefaults_PersistentVolumeClaim(claim *corev1.PersistentVolumeClaim) {
	fill.Zero(&claim.Status.Phase, corev1.ClaimPending)
}

// SetDefaults_PersistentVolumeClaimSpec claims a file system.
func SetDefaults_PersistentVolumeClaimSpec(spec *corev1.PersistentVolumeClaimSpec) {
	fill.Nil(&spec.VolumeMode, corev1.PersistentVolumeFilesystem)
}
