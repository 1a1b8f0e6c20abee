// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_StorageClass binds volumes at once and deletes them with their
// claims.
func SetDefaults_StorageClass(class *storagev1.StorageClass) {
	fill.Nil(&class.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)
	fill.Nil(&class.VolumeBindingMode, storagev1.VolumeBindingImmediate)
}

// SetDefaults_CSIDriver describes a driver that attaches persistent volumes and
// asks for nothing more.
func SetDefaults_CSIDriver(driver *storagev1.CSIDriver) {
	spec := &driver.Spec
	fill.Nil(&spec.AttachRequired, true)
	fill.Nil(&spec.PodInfoOnMount, false)
	fill.Nil(&spec.StorageCapacity, false)
	fill.Nil(&spec.FSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy)
	if len(spec.VolumeLifecycleModes) == 0 {
		spec.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
	}
	fill.Nil(&spec.RequiresRepublish, false)
	fill.Nil(&spec.SELinuxMount, false)
}
