// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

var _ cache.TransformFunc = StripPod

// StripPod is a transform for a pod informer that feeds a Graph. It keeps what the
// graph and Restriction look at: identity, the node, the mirror annotation, what
// the pod mentions, and its volumes; all that containers mention is gathered in a
// single nameless one. Everything else is gone, so do not use the informer for
// anything that needs more. What is not a pod passes as it is.
func StripPod(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	// A new object, so that nothing keeps the arrays of the old one.
	stripped := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		},
		Spec: corev1.PodSpec{
			NodeName:           pod.Spec.NodeName,
			ServiceAccountName: pod.Spec.ServiceAccountName,
			ImagePullSecrets:   pod.Spec.ImagePullSecrets,
			Volumes:            stripVolumes(pod.Spec.Volumes),
			Containers:         gatherMentions(&pod.Spec),
			ResourceClaims:     pod.Spec.ResourceClaims,
		},
		Status: corev1.PodStatus{
			ResourceClaimStatuses:       pod.Status.ResourceClaimStatuses,
			ExtendedResourceClaimStatus: pod.Status.ExtendedResourceClaimStatus,
		},
	}
	if mirror, ok := pod.Annotations[corev1.MirrorPodAnnotationKey]; ok {
		stripped.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: mirror}
	}
	return stripped, nil
}

// stripVolumes drops the volumes that mention nothing; the rest is small.
func stripVolumes(volumes []corev1.Volume) []corev1.Volume {
	var kept []corev1.Volume
	for i := range volumes {
		if v := &volumes[i]; v.EmptyDir == nil && v.HostPath == nil && v.DownwardAPI == nil {
			kept = append(kept, *v)
		}
	}
	return kept
}

// gatherMentions returns a container with the secrets and config maps that all
// containers mention, or none.
func gatherMentions(spec *corev1.PodSpec) []corev1.Container {
	var all corev1.Container
	for c := range containers(spec) {
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil || e.ConfigMapRef != nil {
				all.EnvFrom = append(all.EnvFrom, e)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && (e.ValueFrom.SecretKeyRef != nil || e.ValueFrom.ConfigMapKeyRef != nil) {
				all.Env = append(all.Env, e)
			}
		}
	}
	if all.Env == nil && all.EnvFrom == nil {
		return nil
	}
	return []corev1.Container{all}
}
