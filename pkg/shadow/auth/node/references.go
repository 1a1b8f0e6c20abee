// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/storage/ephemeral"
)

// kind is a kind of object that a kubelet may reach through its pods.
type kind byte

const (
	secret kind = iota
	configMap
	serviceAccount
	volumeClaim
	resourceClaim
)

// object is one that a pod mentions.
type object struct {
	kind            kind
	namespace, name string
}

func compareObjects(a, b object) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

// referencesOf returns what a pod mentions, sorted and once each. Mirror pods give
// a kubelet nothing: it makes them itself.
func referencesOf(pod *corev1.Pod) []object {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return nil
	}
	var found []object
	add := func(k kind, name string) {
		if name != "" {
			found = append(found, object{k, pod.Namespace, name})
		}
	}
	add(serviceAccount, pod.Spec.ServiceAccountName)
	for k, name := range specReferences(&pod.Spec) {
		add(k, name)
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.PersistentVolumeClaim != nil:
			add(volumeClaim, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			add(volumeClaim, ephemeral.VolumeClaimName(pod, v))
		}
	}
	for _, name := range resourceClaimNames(pod) {
		add(resourceClaim, name)
	}
	slices.SortFunc(found, compareObjects)
	return slices.Clip(slices.Compact(found))
}

// specReferences yields the secrets and config maps that a pod mentions, maybe
// more than once, and maybe without a name.
func specReferences(spec *corev1.PodSpec) iter.Seq2[kind, string] {
	return func(yield func(kind, string) bool) {
		for _, s := range spec.ImagePullSecrets {
			if !yield(secret, s.Name) {
				return
			}
		}
		for container := range containers(spec) {
			for _, e := range container.EnvFrom {
				if e.SecretRef != nil && !yield(secret, e.SecretRef.Name) || e.ConfigMapRef != nil && !yield(configMap, e.ConfigMapRef.Name) {
					return
				}
			}
			for _, e := range container.Env {
				if e.ValueFrom == nil {
					continue
				}
				if s := e.ValueFrom.SecretKeyRef; s != nil && !yield(secret, s.Name) {
					return
				}
				if c := e.ValueFrom.ConfigMapKeyRef; c != nil && !yield(configMap, c.Name) {
					return
				}
			}
		}
		for i := range spec.Volumes {
			for k, name := range volumeReferences(&spec.Volumes[i].VolumeSource) {
				if !yield(k, name) {
					return
				}
			}
		}
	}
}

func volumeReferences(v *corev1.VolumeSource) iter.Seq2[kind, string] {
	return func(yield func(kind, string) bool) {
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if s.Secret != nil && !yield(secret, s.Secret.Name) || s.ConfigMap != nil && !yield(configMap, s.ConfigMap.Name) {
					return
				}
			}
			return
		}
		if v.ConfigMap != nil {
			yield(configMap, v.ConfigMap.Name)
			return
		}
		yield(secret, volumeSecret(v))
	}
}

// volumeSecret returns the name of the secret in the pod's namespace that a volume
// needs, or "".
func volumeSecret(v *corev1.VolumeSource) string {
	var ref *corev1.LocalObjectReference
	switch {
	case v.Secret != nil:
		return v.Secret.SecretName
	case v.AzureFile != nil:
		return v.AzureFile.SecretName
	case v.CephFS != nil:
		ref = v.CephFS.SecretRef
	case v.Cinder != nil:
		ref = v.Cinder.SecretRef
	case v.CSI != nil:
		ref = v.CSI.NodePublishSecretRef
	case v.FlexVolume != nil:
		ref = v.FlexVolume.SecretRef
	case v.ISCSI != nil:
		ref = v.ISCSI.SecretRef
	case v.RBD != nil:
		ref = v.RBD.SecretRef
	case v.ScaleIO != nil:
		ref = v.ScaleIO.SecretRef
	case v.StorageOS != nil:
		ref = v.StorageOS.SecretRef
	}
	if ref == nil {
		return ""
	}
	return ref.Name
}

// containers yields all containers of a pod. Ephemeral ones are converted: they
// have the same fields, but are of another type.
func containers(spec *corev1.PodSpec) iter.Seq[*corev1.Container] {
	return func(yield func(*corev1.Container) bool) {
		for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
		for i := range spec.EphemeralContainers {
			if !yield((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon)) {
				return
			}
		}
	}
}

// resourceClaimNames returns the names of a pod's ResourceClaims that exist: one
// made from a template is named in the pod's status once it does.
func resourceClaimNames(pod *corev1.Pod) []string {
	var names []string
	for _, claim := range pod.Spec.ResourceClaims {
		switch {
		case claim.ResourceClaimName != nil:
			names = append(names, *claim.ResourceClaimName)
		case claim.ResourceClaimTemplateName != nil:
			i := slices.IndexFunc(pod.Status.ResourceClaimStatuses, func(s corev1.PodResourceClaimStatus) bool { return s.Name == claim.Name })
			if i >= 0 && pod.Status.ResourceClaimStatuses[i].ResourceClaimName != nil {
				names = append(names, *pod.Status.ResourceClaimStatuses[i].ResourceClaimName)
			}
		}
	}
	if extended := pod.Status.ExtendedResourceClaimStatus; extended != nil {
		names = append(names, extended.ResourceClaimName)
	}
	return names
}

// volumeSecrets yields namespace and name of the secrets that a kubelet needs for
// a bound persistent volume. Controllers' secrets are not among them.
func volumeSecrets(volume *corev1.PersistentVolume) []object {
	var found []object
	claimNamespace := volume.Spec.ClaimRef.Namespace
	add := func(ref *corev1.SecretReference, defaultNamespace string) {
		if ref != nil && ref.Name != "" {
			found = append(found, object{secret, cmp.Or(ref.Namespace, defaultNamespace), ref.Name})
		}
	}
	switch s := volume.Spec.PersistentVolumeSource; {
	case s.AzureFile != nil:
		namespace := claimNamespace
		if n := s.AzureFile.SecretNamespace; n != nil && *n != "" {
			namespace = *n
		}
		add(&corev1.SecretReference{Name: s.AzureFile.SecretName, Namespace: namespace}, "")
	case s.CephFS != nil:
		add(s.CephFS.SecretRef, claimNamespace)
	case s.Cinder != nil:
		add(s.Cinder.SecretRef, "")
	case s.FlexVolume != nil:
		add(s.FlexVolume.SecretRef, claimNamespace)
	case s.RBD != nil:
		add(s.RBD.SecretRef, claimNamespace)
	case s.ScaleIO != nil:
		add(s.ScaleIO.SecretRef, claimNamespace)
	case s.ISCSI != nil:
		add(s.ISCSI.SecretRef, claimNamespace)
	case s.StorageOS != nil:
		if ref := s.StorageOS.SecretRef; ref != nil {
			add(&corev1.SecretReference{Name: ref.Name, Namespace: ref.Namespace}, "")
		}
	case s.CSI != nil:
		add(s.CSI.NodePublishSecretRef, "")
		add(s.CSI.NodeStageSecretRef, "")
		add(s.CSI.NodeExpandSecretRef, "")
	}
	slices.SortFunc(found, compareObjects)
	return slices.Clip(slices.Compact(found))
}
