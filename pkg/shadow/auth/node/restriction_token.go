// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/component-helpers/storage/ephemeral"
)

// audienceVerb is what RBAC may allow kubelets to do with an audience as resource
// and service accounts as names, so that they get tokens for it anyway.
const audienceVerb = "request-serviceaccounts-token-audience"

// checkServiceAccount lets a kubelet create tokens that are bound to one of its
// pods, so that they end with it, and are for an audience that the pod asks for.
func (r *Restriction) checkServiceAccount(ctx context.Context, node string, a admission.Attributes) error {
	if a.GetOperation() != admission.Create || a.GetSubresource() != "token" {
		return nil // the authorizer allows no other writes
	}
	request, ok := a.GetObject().(*authenticationv1.TokenRequest)
	if !ok {
		return unexpectedType(a.GetObject())
	}
	ref := request.Spec.BoundObjectRef
	if ref == nil || ref.APIVersion != "v1" || ref.Kind != "Pod" || ref.Name == "" || ref.UID == "" {
		return fmt.Errorf("node %q may only request tokens that are bound to a pod by name and UID", node)
	}
	pod, err := r.get.Pod(ctx, a.GetNamespace(), ref.Name)
	if err != nil {
		return err
	}
	if ref.UID != pod.UID {
		return fmt.Errorf("the bound pod has the UID %q, not %q; it may have been deleted and created again", pod.UID, ref.UID)
	}
	if err := checkBound(node, pod); err != nil {
		return err
	}
	return r.checkAudience(ctx, request.Spec.Audiences, pod, a)
}

func (r *Restriction) checkAudience(ctx context.Context, audiences []string, pod *corev1.Pod, a admission.Attributes) error {
	audience := "" // the API server's
	switch len(audiences) {
	case 0:
	case 1:
		audience = audiences[0]
	default:
		return errors.New("a kubelet may only request tokens for a single audience")
	}
	found, err := r.asksFor(ctx, pod, audience)
	if err != nil {
		return fmt.Errorf("find out whether a volume asks for the audience %q: %w", audience, hideNotFound(err))
	}
	if found {
		return nil
	}
	decision, _, err := r.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: a.GetUserInfo(), Verb: audienceVerb, Namespace: a.GetNamespace(), APIVersion: "v1",
		Resource: audience, Name: a.GetName(), ResourceRequest: true,
	})
	if decision == authorizer.DecisionAllow {
		return nil
	}
	refused := fmt.Errorf("no volume of the pod asks for the audience %q, and %s may not request tokens for it otherwise", audience, a.GetUserInfo().GetName())
	if err != nil {
		return fmt.Errorf("%w: %w", refused, err)
	}
	return refused
}

// hideNotFound keeps a claim or driver that is missing from looking like a service
// account that is.
func hideNotFound(err error) error { return errors.New(err.Error()) }

// asksFor tells whether a volume of a pod needs tokens for an audience, because it
// projects one or because its CSI driver wants them. An error says which volumes
// could not be looked at if none of the others asks.
func (r *Restriction) asksFor(ctx context.Context, pod *corev1.Pod, audience string) (bool, error) {
	var errs []error
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if projectsToken(v, audience) {
			return true, nil
		}
		driver, err := r.driverOf(ctx, pod, v)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if driver == "" {
			continue
		}
		object, err := r.get.CSIDriver(ctx, driver)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, t := range object.Spec.TokenRequests {
			if t.Audience == audience {
				return true, nil
			}
		}
	}
	return false, utilerrors.NewAggregate(errs)
}

func projectsToken(v *corev1.Volume, audience string) bool {
	if v.Projected == nil {
		return false
	}
	for _, s := range v.Projected.Sources {
		if s.ServiceAccountToken != nil && s.ServiceAccountToken.Audience == audience {
			return true
		}
	}
	return false
}

// driverOf returns the name of the CSI driver that serves a volume, or "".
func (r *Restriction) driverOf(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (string, error) {
	var claimName string
	switch {
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		claimName = ephemeral.VolumeClaimName(pod, v)
	case v.PersistentVolumeClaim != nil:
		claimName = v.PersistentVolumeClaim.ClaimName
	case v.CSI != nil:
		return v.CSI.Driver, nil
	default:
		s := &v.VolumeSource
		return migratedTo(inTree{
			aws: s.AWSElasticBlockStore != nil, azureDisk: s.AzureDisk != nil, azureFile: s.AzureFile != nil, cinder: s.Cinder != nil,
			gce: s.GCEPersistentDisk != nil, portworx: s.PortworxVolume != nil, vsphere: s.VsphereVolume != nil,
		}), nil
	}
	claim, err := r.get.Claim(ctx, pod.Namespace, claimName)
	if err != nil {
		return "", err
	}
	volume, err := r.get.Volume(ctx, claim.Spec.VolumeName)
	if err != nil {
		return "", err
	}
	s := &volume.Spec.PersistentVolumeSource
	if s.CSI != nil {
		return s.CSI.Driver, nil
	}
	return migratedTo(inTree{
		aws: s.AWSElasticBlockStore != nil, azureDisk: s.AzureDisk != nil, azureFile: s.AzureFile != nil, cinder: s.Cinder != nil,
		gce: s.GCEPersistentDisk != nil, portworx: s.PortworxVolume != nil, vsphere: s.VsphereVolume != nil,
	}), nil
}

// inTree says which plugin that Kubernetes once had built in a volume names.
type inTree struct{ aws, azureDisk, azureFile, cinder, gce, portworx, vsphere bool }

// migratedTo returns the CSI driver that kubelets use in place of it, or "".
func migratedTo(volume inTree) string {
	switch {
	case volume.aws:
		return "ebs.csi.aws.com"
	case volume.azureDisk:
		return "disk.csi.azure.com"
	case volume.azureFile:
		return "file.csi.azure.com"
	case volume.cinder:
		return "cinder.csi.openstack.org"
	case volume.gce:
		return "pd.csi.storage.gke.io"
	case volume.portworx:
		return "pxd.portworx.com"
	case volume.vsphere:
		return "csi.vsphere.vmware.com"
	default:
		return ""
	}
}
