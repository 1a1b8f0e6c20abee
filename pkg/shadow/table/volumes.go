// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	volumehelpers "k8s.io/component-helpers/storage/volume"
)

var (
	volumeSpecDoc   = corev1.PersistentVolumeSpec{}.SwaggerDoc()
	volumeStatusDoc = corev1.PersistentVolumeStatus{}.SwaggerDoc()
	claimSpecDoc    = corev1.PersistentVolumeClaimSpec{}.SwaggerDoc()
	claimStatusDoc  = corev1.PersistentVolumeClaimStatus{}.SwaggerDoc()
)

// PersistentVolumes are the columns of persistentvolumes.
var PersistentVolumes = New(definitions{
	nameColumn,
	text("Capacity", volumeSpecDoc["capacity"]),
	text("Access Modes", volumeSpecDoc["accessModes"]),
	text("Reclaim Policy", volumeSpecDoc["persistentVolumeReclaimPolicy"]),
	text("Status", volumeStatusDoc["phase"]),
	text("Claim", volumeSpecDoc["claimRef"]),
	text("StorageClass", volumeSpecDoc["storageClassName"]),
	text("VolumeAttributesClass", volumeSpecDoc["volumeAttributesClassName"]),
	text("Reason", volumeStatusDoc["reason"]),
	ageColumn,
	wide(text("VolumeMode", volumeSpecDoc["volumeMode"])),
}, func(volume *corev1.PersistentVolume) []any {
	claim := ""
	if ref := volume.Spec.ClaimRef; ref != nil {
		claim = ref.Namespace + "/" + ref.Name
	}
	phase := string(volume.Status.Phase)
	if volume.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	return []any{
		volume.Name, volume.Spec.Capacity.Storage().String(), accessModes(volume.Spec.AccessModes),
		string(volume.Spec.PersistentVolumeReclaimPolicy), phase, claim,
		volumehelpers.GetPersistentVolumeClass(volume), deref(volume.Spec.VolumeAttributesClassName, unset),
		volume.Status.Reason, age(volume), deref(volume.Spec.VolumeMode, unset),
	}
})

// PersistentVolumeClaims are the columns of persistentvolumeclaims.
var PersistentVolumeClaims = New(definitions{
	nameColumn,
	text("Status", claimStatusDoc["phase"]),
	text("Volume", claimSpecDoc["volumeName"]),
	text("Capacity", claimStatusDoc["capacity"]),
	text("Access Modes", claimStatusDoc["accessModes"]),
	text("StorageClass", claimSpecDoc["storageClassName"]),
	text("VolumeAttributesClass", claimSpecDoc["volumeAttributesClassName"]),
	ageColumn,
	wide(text("VolumeMode", claimSpecDoc["volumeMode"])),
}, func(claim *corev1.PersistentVolumeClaim) []any {
	phase := string(claim.Status.Phase)
	if claim.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	capacity, modes := "", ""
	if claim.Spec.VolumeName != "" {
		capacity = claim.Status.Capacity.Storage().String()
		modes = accessModes(claim.Status.AccessModes)
	}
	return []any{
		claim.Name, phase, claim.Spec.VolumeName, capacity, modes,
		volumehelpers.GetPersistentVolumeClaimClass(claim), deref(claim.Spec.VolumeAttributesClassName, unset),
		age(claim), deref(claim.Spec.VolumeMode, unset),
	}
})

// shortModes are in the order in which they are shown.
var shortModes = []struct {
	mode  corev1.PersistentVolumeAccessMode
	short string
}{
	{corev1.ReadWriteOnce, "RWO"},
	{corev1.ReadOnlyMany, "ROX"},
	{corev1.ReadWriteMany, "RWX"},
	{corev1.ReadWriteOncePod, "RWOP"},
}

func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var short []string
	for _, s := range shortModes {
		if slices.Contains(modes, s.mode) {
			short = append(short, s.short)
		}
	}
	return strings.Join(short, ",")
}
