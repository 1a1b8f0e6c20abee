// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"
)

func (r *Restriction) checkPod(ctx context.Context, node string, a admission.Attributes) error {
	operation := a.GetOperation()
	switch subresource := a.GetSubresource(); {
	case subresource == "" && operation == admission.Create:
		return r.checkMirrorPod(ctx, node, a)
	case subresource == "" && operation == admission.Delete:
		return r.checkPodOf(ctx, node, a.GetNamespace(), a.GetName())
	case subresource == "status" && operation == admission.Update:
		return checkPodStatus(node, a)
	case subresource == "eviction" && operation == admission.Create:
		eviction, ok := a.GetObject().(*policyv1.Eviction)
		if !ok {
			return unexpectedType(a.GetObject())
		}
		name := a.GetName()
		if name == "" {
			name = eviction.Name
		}
		if name == "" {
			return errors.New("which pod to evict is not said")
		}
		return r.checkPodOf(ctx, node, a.GetNamespace(), name)
	default:
		return fmt.Errorf("node %q may only create mirror pods, delete and evict its pods, and update their status", node)
	}
}

func (r *Restriction) checkPodOf(ctx context.Context, node, namespace, name string) error {
	pod, err := r.get.Pod(ctx, namespace, name)
	if err != nil {
		return err
	}
	return checkBound(node, pod)
}

func checkBound(node string, pod *corev1.Pod) error {
	if pod.Spec.NodeName != node {
		return fmt.Errorf("node %q may only do this to pods whose spec.nodeName is itself", node)
	}
	return nil
}

// checkPodStatus keeps a kubelet from changing what selects a pod, and what the
// graph reads from its status.
func checkPodStatus(node string, a admission.Attributes) error {
	old, ok := a.GetOldObject().(*corev1.Pod)
	if !ok {
		return unexpectedType(a.GetOldObject())
	}
	updated, ok := a.GetObject().(*corev1.Pod)
	if !ok {
		return unexpectedType(a.GetObject())
	}
	if err := checkBound(node, old); err != nil {
		return err
	}
	if !maps.Equal(old.Labels, updated.Labels) {
		return fmt.Errorf("node %q may not change labels of pods", node)
	}
	if !slices.EqualFunc(old.Status.ResourceClaimStatuses, updated.Status.ResourceClaimStatuses, sameClaim) {
		return fmt.Errorf("node %q may not change status.resourceClaimStatuses of pods", node)
	}
	if !sameExtendedClaim(old.Status.ExtendedResourceClaimStatus, updated.Status.ExtendedResourceClaimStatus) {
		return fmt.Errorf("node %q may not change status.extendedResourceClaimStatus of pods", node)
	}
	return nil
}

func sameClaim(a, b corev1.PodResourceClaimStatus) bool {
	return a.Name == b.Name && ptr.Equal(a.ResourceClaimName, b.ResourceClaimName)
}

func sameExtendedClaim(a, b *corev1.PodExtendedResourceClaimStatus) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ResourceClaimName == b.ResourceClaimName && slices.Equal(a.RequestMappings, b.RequestMappings)
}

// checkMirrorPod lets a kubelet show the pods that it runs from files, owned by
// its node. They may mention nothing: else a kubelet could get at any Secret by
// making a pod that does.
func (r *Restriction) checkMirrorPod(ctx context.Context, node string, a admission.Attributes) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok {
		return unexpectedType(a.GetObject())
	}
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; !mirror {
		return fmt.Errorf("node %q may only create mirror pods, which have the annotation %q", node, corev1.MirrorPodAnnotationKey)
	}
	if err := checkBound(node, pod); err != nil {
		return err
	}
	if err := r.checkOwner(ctx, node, pod); err != nil {
		return err
	}
	if what := mentioned(pod); what != "" {
		return fmt.Errorf("node %q may not create pods that reference %s", node, what)
	}
	return nil
}

func (r *Restriction) checkOwner(ctx context.Context, node string, pod *corev1.Pod) error {
	if len(pod.OwnerReferences) != 1 {
		return fmt.Errorf("node %q may only create pods that have one owner, the node itself", node)
	}
	owner := pod.OwnerReferences[0]
	switch {
	case owner.APIVersion != "v1" || owner.Kind != "Node" || owner.Name != node:
		return fmt.Errorf("node %q may only create pods that are owned by itself", node)
	case !ptr.Deref(owner.Controller, false):
		return fmt.Errorf("node %q must be the controller of the pods that it creates", node)
	case ptr.Deref(owner.BlockOwnerDeletion, false):
		return fmt.Errorf("node %q may not create pods that block its own deletion", node)
	}
	object, err := r.get.Node(ctx, node)
	if err != nil {
		return err
	}
	if owner.UID != object.UID {
		return fmt.Errorf("the owner has the UID %q, but node %q has the UID %q", owner.UID, node, object.UID)
	}
	return nil
}

// mentioned returns a kind of API object that a pod mentions, or "". A kind of
// volume that is not known to be harmless counts too.
func mentioned(pod *corev1.Pod) string {
	if pod.Spec.ServiceAccountName != "" || pod.Spec.DeprecatedServiceAccount != "" {
		return "serviceaccounts"
	}
	for k, name := range specReferences(&pod.Spec) {
		switch {
		case name == "":
		case k == secret:
			return "secrets"
		default:
			return "configmaps"
		}
	}
	if len(pod.Spec.ResourceClaims) > 0 {
		return "resourceclaims"
	}
	for i := range pod.Spec.Volumes {
		if what := mentionedByVolume(&pod.Spec.Volumes[i]); what != "" {
			return what
		}
	}
	return ""
}

func mentionedByVolume(v *corev1.Volume) string {
	switch {
	case v.AWSElasticBlockStore != nil, v.AzureDisk != nil, v.CephFS != nil, v.Cinder != nil, v.DownwardAPI != nil, v.EmptyDir != nil,
		v.FC != nil, v.FlexVolume != nil, v.Flocker != nil, v.GCEPersistentDisk != nil, v.GitRepo != nil, v.HostPath != nil, v.Image != nil,
		v.ISCSI != nil, v.NFS != nil, v.PhotonPersistentDisk != nil, v.PortworxVolume != nil, v.Quobyte != nil, v.RBD != nil,
		v.ScaleIO != nil, v.StorageOS != nil, v.VsphereVolume != nil:
		return ""
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.DownwardAPI == nil || s.ConfigMap != nil || s.Secret != nil || s.ServiceAccountToken != nil || s.ClusterTrustBundle != nil || s.PodCertificate != nil {
				return fmt.Sprintf("other objects by the projected volume %q", v.Name)
			}
		}
		return ""
	default:
		return fmt.Sprintf("other objects by the volume %q", v.Name)
	}
}
