// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// secretsOf yields the names of the secrets that a pod refers to itself.
func secretsOf(pod *corev1.Pod) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, s := range pod.Spec.ImagePullSecrets {
			if s.Name != "" && !yield(s.Name) {
				return
			}
		}
		for _, name := range containerSecrets(pod) {
			if !yield(name.secret) {
				return
			}
		}
		for i := range pod.Spec.Volumes {
			for _, name := range volumeSecrets(&pod.Spec.Volumes[i].VolumeSource) {
				if name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

// containerSecret is a secret that a container has in its environment.
type containerSecret struct {
	container, env, secret string // without env, it has all of the secret
}

func containerSecrets(pod *corev1.Pod) []containerSecret {
	var found []containerSecret
	visit := func(name string, env []corev1.EnvVar, all []corev1.EnvFromSource) {
		for _, e := range env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && e.ValueFrom.SecretKeyRef.Name != "" {
				found = append(found, containerSecret{name, e.Name, e.ValueFrom.SecretKeyRef.Name})
			}
		}
		for _, e := range all {
			if e.SecretRef != nil && e.SecretRef.Name != "" {
				found = append(found, containerSecret{name, "", e.SecretRef.Name})
			}
		}
	}
	for _, c := range pod.Spec.InitContainers {
		visit("init container "+c.Name, c.Env, c.EnvFrom)
	}
	for _, c := range pod.Spec.Containers {
		visit("container "+c.Name, c.Env, c.EnvFrom)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		visit("ephemeral container "+c.Name, c.Env, c.EnvFrom)
	}
	return found
}

// volumeSecrets returns the secrets that a volume is made of or opened by.
func volumeSecrets(v *corev1.VolumeSource) []string {
	local := func(ref *corev1.LocalObjectReference) []string {
		if ref == nil {
			return nil
		}
		return []string{ref.Name}
	}
	switch {
	case v.Secret != nil:
		return []string{v.Secret.SecretName}
	case v.Projected != nil:
		var names []string
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				names = append(names, s.Secret.Name)
			}
		}
		return names
	case v.AzureFile != nil:
		return []string{v.AzureFile.SecretName}
	case v.CSI != nil:
		return local(v.CSI.NodePublishSecretRef)
	case v.ISCSI != nil:
		return local(v.ISCSI.SecretRef)
	case v.RBD != nil:
		return local(v.RBD.SecretRef)
	case v.CephFS != nil:
		return local(v.CephFS.SecretRef)
	case v.Cinder != nil:
		return local(v.Cinder.SecretRef)
	case v.FlexVolume != nil:
		return local(v.FlexVolume.SecretRef)
	case v.ScaleIO != nil:
		return local(v.ScaleIO.SecretRef)
	case v.StorageOS != nil:
		return local(v.StorageOS.SecretRef)
	default:
		return nil
	}
}

// checkMountable refuses a pod that uses secrets that its account does not name.
func checkMountable(account *corev1.ServiceAccount, pod *corev1.Pod) error {
	named := func(name string) bool {
		return slices.ContainsFunc(account.Secrets, func(s corev1.ObjectReference) bool { return s.Name == name })
	}
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil && !named(v.Secret.SecretName) {
			return fmt.Errorf("volume with secret.secretName=%q is not allowed because service account %s does not reference that secret", v.Secret.SecretName, account.Name)
		}
	}
	for _, s := range containerSecrets(pod) {
		if named(s.secret) {
			continue
		}
		how := "envFrom"
		if s.env != "" {
			how = "envVar " + s.env
		}
		return fmt.Errorf("%s with %s referencing secret.secretName=%q is not allowed because service account %s does not reference that secret", s.container, how, s.secret, account.Name)
	}
	for i, s := range pod.Spec.ImagePullSecrets {
		if !slices.Contains(account.ImagePullSecrets, s) {
			return fmt.Errorf("imagePullSecrets[%d].name=%q is not allowed because service account %s does not reference that imagePullSecret", i, s.Name, account.Name)
		}
	}
	return nil
}
