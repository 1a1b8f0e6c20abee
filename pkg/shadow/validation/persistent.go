// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// persistentRules are for persistent volumes and claims to them.
func persistentRules() []rule {
	return []rule{
		also(of[corev1.PersistentVolumeSpec](
			f("accessModes", required),
			f("storageClassName", subdomain),
			f("volumeAttributesClassName", subdomain),
		), persistentVolumeSpec),
		unionOf[corev1.PersistentVolumeSource]("volume type"),
		of[corev1.VolumeNodeAffinity](f("required", required)),
		also(of[corev1.PersistentVolumeClaimSpec](
			f("accessModes", required),
			// Empty ones say that there is to be no class.
			f("storageClassName", text(maybe(validation.IsDNS1123Subdomain))),
			f("volumeAttributesClassName", text(maybe(validation.IsDNS1123Subdomain))),
		), claimSpec),
		of[corev1.TypedLocalObjectReference](f("name", required), f("kind", required), f("apiGroup", subdomain)),
		of[corev1.TypedObjectReference](f("name", required), f("kind", required), f("apiGroup", subdomain), f("namespace", dnsLabel)),
	}
}

// secretRef checks a reference to a Secret of any namespace.
func secretRef(v reflect.Value, at *field.Path, p *problems) {
	ref, ok := v.Interface().(*corev1.SecretReference)
	if !ok || ref == nil {
		return
	}
	if ref.Name == "" {
		p.required(at.Child("name"), "")
	} else {
		p.each(at.Child("name"), ref.Name, validation.IsDNS1123Subdomain(ref.Name))
	}
	if ref.Namespace == "" {
		p.required(at.Child("namespace"), "")
	} else {
		p.each(at.Child("namespace"), ref.Namespace, validation.IsDNS1123Label(ref.Namespace))
	}
}

// accessModes checks that one pod alone means one pod alone.
func accessModes(modes []corev1.PersistentVolumeAccessMode, at *field.Path, p *problems) {
	if len(modes) > 1 && slices.Contains(modes, corev1.ReadWriteOncePod) && slices.ContainsFunc(modes, func(m corev1.PersistentVolumeAccessMode) bool { return m != corev1.ReadWriteOncePod }) {
		p.forbidden(at.Child("accessModes"), "may not have other modes beside ReadWriteOncePod")
	}
}

func persistentVolumeSpec(s *corev1.PersistentVolumeSpec, at *field.Path, p *problems) {
	accessModes(s.AccessModes, at, p)
	if s.Local != nil && (s.NodeAffinity == nil || s.NodeAffinity.Required == nil) {
		p.required(at.Child("nodeAffinity"), "must say on which node a local volume is")
	}
	if s.HostPath != nil && path.Clean(s.HostPath.Path) == "/" && s.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		p.forbidden(at.Child("persistentVolumeReclaimPolicy"), "may not be 'Recycle' for a `hostPath` of /")
	}
	if s.VolumeAttributesClassName == nil {
		return
	}
	if *s.VolumeAttributesClassName == "" {
		p.required(at.Child("volumeAttributesClassName"), "must not be empty")
	}
	if s.CSI == nil {
		p.required(at.Child("csi"), "must be specified when `volumeAttributesClassName` is")
	}
}

// persistentVolume checks how large a volume is. Those inside of an attachment have
// no size.
func persistentVolume(v *corev1.PersistentVolume, p *problems) {
	at := spec.Child("capacity")
	if _, ok := v.Spec.Capacity[corev1.ResourceStorage]; !ok || len(v.Spec.Capacity) > 1 {
		p.add(field.NotSupported(at, fmt.Sprint(slices.Sorted(maps.Keys(v.Spec.Capacity))), []string{"storage"}))
	}
	for _, n := range slices.Sorted(maps.Keys(v.Spec.Capacity)) {
		if q := v.Spec.Capacity[n]; q.Sign() <= 0 {
			p.invalid(at.Key(string(n)), q.String(), "must be greater than 0")
		}
	}
}

func updatePersistentVolume(v, old *corev1.PersistentVolume, p *problems) {
	now, before := v.Spec.PersistentVolumeSource.DeepCopy(), &old.Spec.PersistentVolumeSource
	// A driver that learns to grow volumes may need a Secret for it.
	if now.CSI != nil && before.CSI != nil && before.CSI.ControllerExpandSecretRef == nil {
		now.CSI.ControllerExpandSecretRef = nil
	}
	if !apiequality.Semantic.DeepEqual(now, before) {
		p.forbidden(spec.Child("persistentvolumesource"), "field is immutable"+differing(now, before))
	}
	unchanged(p, spec.Child("volumeMode"), v.Spec.VolumeMode, old.Spec.VolumeMode)
	if old.Spec.NodeAffinity != nil {
		unchanged(p, spec.Child("nodeAffinity"), v.Spec.NodeAffinity, old.Spec.NodeAffinity)
	}
	if v.Spec.VolumeAttributesClassName == nil && old.Spec.VolumeAttributesClassName != nil {
		p.forbidden(spec.Child("volumeAttributesClassName"), "may not be taken away")
	}
}

func claimSpec(s *corev1.PersistentVolumeClaimSpec, at *field.Path, p *problems) {
	accessModes(s.AccessModes, at, p)
	if size, ok := s.Resources.Requests[corev1.ResourceStorage]; !ok {
		p.required(at.Child("resources").Key("storage"), "")
	} else if size.Sign() <= 0 {
		p.invalid(at.Child("resources").Key("storage"), size.String(), "must be greater than 0")
	}
	source, ref := s.DataSource, s.DataSourceRef
	if source != nil && (source.APIGroup == nil || *source.APIGroup == "") && source.Kind != "PersistentVolumeClaim" {
		p.invalid(at.Child("dataSource"), source.Kind, "must be PersistentVolumeClaim when `apiGroup` is empty")
	}
	if ref == nil {
		return
	}
	if (ref.APIGroup == nil || *ref.APIGroup == "") && ref.Kind != "PersistentVolumeClaim" {
		p.invalid(at.Child("dataSourceRef"), ref.Kind, "must be PersistentVolumeClaim when `apiGroup` is empty")
	}
	if source == nil {
		return
	}
	if ref.Namespace != nil && *ref.Namespace != "" {
		p.invalid(at.Child("dataSource"), source.Name, "may not be specified when `dataSourceRef.namespace` is")
	} else if !apiequality.Semantic.DeepEqual(source.APIGroup, ref.APIGroup) || source.Kind != ref.Kind || source.Name != ref.Name {
		p.invalid(at.Child("dataSource"), source.Name, "must be the same as `dataSourceRef`")
	}
}

// updateClaim lets a claim be bound and, once bound, grow.
func updateClaim(c, old *corev1.PersistentVolumeClaim, p *problems) {
	now := c.Spec.DeepCopy()
	if old.Spec.VolumeName == "" {
		now.VolumeName = ""
	}
	class, annotated := old.Annotations[corev1.BetaStorageClassAnnotation]
	if now.StorageClassName != nil && old.Spec.StorageClassName == nil && (!annotated || *now.StorageClassName == class) {
		now.StorageClassName = nil
	} else if c.Annotations[corev1.BetaStorageClassAnnotation] != class {
		p.invalid(field.NewPath("metadata", "annotations").Key(corev1.BetaStorageClassAnnotation), c.Annotations[corev1.BetaStorageClassAnnotation], "field is immutable")
	}
	size, oldSize, capacity := now.Resources.Requests[corev1.ResourceStorage], old.Spec.Resources.Requests[corev1.ResourceStorage], old.Status.Capacity[corev1.ResourceStorage]
	if old.Status.Phase == corev1.ClaimBound {
		now.VolumeAttributesClassName = old.Spec.VolumeAttributesClassName
		if now.Resources.Requests != nil {
			now.Resources.Requests[corev1.ResourceStorage] = oldSize
		}
	}
	if !apiequality.Semantic.DeepEqual(now, &old.Spec) {
		p.forbidden(spec, "may not change, but for `resources.requests` and `volumeAttributesClassName` of bound claims"+differing(now, &old.Spec))
	}
	if size.Cmp(oldSize) < 0 && size.Cmp(capacity) <= 0 {
		p.forbidden(spec.Child("resources", "requests", "storage"), "may not be less than `status.capacity`")
	}
	if name := c.Spec.VolumeAttributesClassName; old.Status.CurrentVolumeAttributesClassName != nil && (name == nil || *name == "") &&
		!apiequality.Semantic.DeepEqual(name, old.Spec.VolumeAttributesClassName) {
		p.forbidden(spec.Child("volumeAttributesClassName"), "may not be taken away from a volume that has it")
	}
}

func claimStatus(c, _ *corev1.PersistentVolumeClaim, p *problems) {
	for _, list := range []struct {
		name string
		of   corev1.ResourceList
	}{{"capacity", c.Status.Capacity}, {"allocatedResources", c.Status.AllocatedResources}} {
		for _, n := range slices.Sorted(maps.Keys(list.of)) {
			nonNegativeQuantity(list.of[n], status.Child(list.name).Key(string(n)), p)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.Status.AllocatedResourceStatuses)) {
		listed(p, status.Child("allocatedResourceStatuses").Key(string(n)), c.Status.AllocatedResourceStatuses[n],
			corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimControllerResizeInfeasible,
			corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress, corev1.PersistentVolumeClaimNodeResizeInfeasible)
	}
}
