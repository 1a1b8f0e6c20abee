// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
)

const (
	storageClassName = "DefaultStorageClass"
	expansionName    = "PersistentVolumeClaimResize"
)

// The annotations by which a storage class is the default, the second from before
// the first.
const (
	isDefaultClass     = "storageclass.kubernetes.io/is-default-class"
	isDefaultClassBeta = "storageclass.beta.kubernetes.io/is-default-class"
)

// storageClasses gives claims without a class the default one.
type storageClasses struct {
	*admission.Handler
	objects Objects
}

var _ admission.MutationInterface = &storageClasses{}

// Admit sets the class.
func (s *storageClasses) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	claim, ok := a.GetObject().(*corev1.PersistentVolumeClaim)
	if !ok || !isOf(a, corev1.Resource("persistentvolumeclaims")) {
		return nil
	}
	if _, named := claim.Annotations[corev1.BetaStorageClassAnnotation]; named || claim.Spec.StorageClassName != nil {
		return nil
	}
	classes, err := s.objects.storageClasses(ctx)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	class := newest(classes, func(c *storagev1.StorageClass) bool {
		return c.Annotations[isDefaultClass] == "true" || c.Annotations[isDefaultClassBeta] == "true"
	})
	if class != nil {
		claim.Spec.StorageClassName = &class.Name
	}
	return nil
}

// expansion lets claims grow where their class allows it.
type expansion struct {
	*admission.Handler
	objects Objects
}

var _ admission.ValidationInterface = &expansion{}

// Validate refuses to let others grow.
func (e *expansion) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	claim, ok := a.GetObject().(*corev1.PersistentVolumeClaim)
	old, had := a.GetOldObject().(*corev1.PersistentVolumeClaim)
	if !ok || !had || !isOf(a, corev1.Resource("persistentvolumeclaims")) {
		return nil
	}
	before, after := old.Spec.Resources.Requests[corev1.ResourceStorage], claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if after.Cmp(before) <= 0 {
		return nil
	}
	if old.Status.Phase != corev1.ClaimBound {
		return admission.NewForbidden(a, errors.New("Only bound persistent volume claims can be expanded")) //nolint:staticcheck // the words of the API
	}
	allowed, err := e.allowed(ctx, claim, old)
	if err != nil {
		return err
	}
	if !allowed {
		return admission.NewForbidden(a, errors.New("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"))
	}
	return nil
}

func (e *expansion) allowed(ctx context.Context, claim, old *corev1.PersistentVolumeClaim) (bool, error) {
	name := classOf(claim)
	if name == "" || name != classOf(old) {
		return false, nil
	}
	class, err := e.objects.storageClass(ctx, name)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return class.AllowVolumeExpansion != nil && *class.AllowVolumeExpansion, nil
}

// classOf returns the class of a claim. The annotation is older than the field.
func classOf(claim *corev1.PersistentVolumeClaim) string {
	if name, ok := claim.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return name
	}
	if claim.Spec.StorageClassName != nil {
		return *claim.Spec.StorageClassName
	}
	return ""
}
