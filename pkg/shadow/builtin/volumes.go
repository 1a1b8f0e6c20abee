// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var persistentVolumeHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, v *corev1.PersistentVolume) {
		now := metav1.Now()
		v.Status.Phase = corev1.VolumePending
		v.Status.LastPhaseTransitionTime = &now
	}),
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, v, old *corev1.PersistentVolume) {
		told, known := v.Status.LastPhaseTransitionTime, old.Status.LastPhaseTransitionTime
		switch {
		case v.Status.Phase == old.Status.Phase:
			if told == nil {
				v.Status.LastPhaseTransitionTime = known
			}
		case told == nil || told.Equal(known):
			now := metav1.Now()
			v.Status.LastPhaseTransitionTime = &now
		}
	}),
}

var persistentVolumeClaimHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, c *corev1.PersistentVolumeClaim) {
		c.Status.Phase = corev1.ClaimPending
		alignDataSources(&c.Spec, nil)
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, c, old *corev1.PersistentVolumeClaim) {
		alignDataSources(&c.Spec, &old.Spec)
	}),
}

// alignDataSources makes a claim name its data source in both fields there are for
// it. The older one only ever took claims and snapshots, the newer one takes no
// source in another namespace.
func alignDataSources(spec, old *corev1.PersistentVolumeClaimSpec) {
	if ref := spec.DataSourceRef; ref != nil && ref.Namespace != nil && *ref.Namespace != "" && (old == nil || old.DataSourceRef == nil) {
		spec.DataSourceRef = nil
	}
	had := old != nil && (old.DataSource != nil || old.DataSourceRef != nil)
	if !had && spec.DataSourceRef == nil && !isClaimOrSnapshot(spec.DataSource) {
		spec.DataSource = nil
	}
	switch {
	case spec.DataSource != nil && spec.DataSourceRef == nil:
		s := spec.DataSource.DeepCopy()
		spec.DataSourceRef = &corev1.TypedObjectReference{APIGroup: s.APIGroup, Kind: s.Kind, Name: s.Name}
	case spec.DataSource == nil && spec.DataSourceRef != nil && (spec.DataSourceRef.Namespace == nil || *spec.DataSourceRef.Namespace == ""):
		s := spec.DataSourceRef.DeepCopy()
		spec.DataSource = &corev1.TypedLocalObjectReference{APIGroup: s.APIGroup, Kind: s.Kind, Name: s.Name}
	}
}

func isClaimOrSnapshot(source *corev1.TypedLocalObjectReference) bool {
	if source == nil {
		return false
	}
	group := ""
	if source.APIGroup != nil {
		group = *source.APIGroup
	}
	return group == "" && source.Kind == "PersistentVolumeClaim" || group == "snapshot.storage.k8s.io" && source.Kind == "VolumeSnapshot"
}

// The generation of a driver counts changes alone: it begins with none.
var csiDriverHooks = Hooks{
	PrepareForUpdate: onUpdate(func(_ context.Context, d, old *storagev1.CSIDriver) {
		if !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
			d.Generation = old.Generation + 1
		}
	}),
}
