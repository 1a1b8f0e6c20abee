// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/steppe-io/steppe/pkg/shadow/validation"
)

// Who asks for a certificate is who the server knows the caller to be. A request
// never changes: the subresource approval decides on it, the subresource status
// brings the certificate.
var certificateHooks = Hooks{
	PrepareForCreate: on(func(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) {
		csr.Spec.Username, csr.Spec.UID, csr.Spec.Groups, csr.Spec.Extra = "", "", nil, nil
		user, ok := apirequest.UserFrom(ctx)
		if !ok {
			return
		}
		csr.Spec.Username, csr.Spec.UID, csr.Spec.Groups = user.GetName(), user.GetUID(), user.GetGroups()
		for key, value := range user.GetExtra() {
			if csr.Spec.Extra == nil {
				csr.Spec.Extra = map[string]certificatesv1.ExtraValue{}
			}
			csr.Spec.Extra[key] = value
		}
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) {
		csr.Spec = old.Spec
	}),
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) {
		keepDecisions(csr, old)
		timeConditions(csr, old)
	}),
}

// approvalStrategy writes the decision on a request.
type approvalStrategy struct {
	statusStrategy
}

func (approvalStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	csr, was := obj.(*certificatesv1.CertificateSigningRequest), old.(*certificatesv1.CertificateSigningRequest)
	timeConditions(csr, was)
	conditions := csr.Status.Conditions
	csr.Spec, csr.Status = was.Spec, was.Status
	csr.Status.Conditions = conditions
}

func (approvalStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.UpdateApproval(obj.(*certificatesv1.CertificateSigningRequest), old.(*certificatesv1.CertificateSigningRequest))
}

func (s approvalStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.resets([]string{"spec", "status.certificate"})
}

// keepDecisions restores decisions that are the same as before, for validation to
// refuse others.
func keepDecisions(csr, old *certificatesv1.CertificateSigningRequest) {
	for _, decision := range []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied} {
		now, before := ofType(csr.Status.Conditions, decision), ofType(old.Status.Conditions, decision)
		if len(now) != len(before) {
			continue
		}
		for i := range now {
			csr.Status.Conditions[now[i]] = old.Status.Conditions[before[i]]
		}
	}
}

// ofType returns where the conditions of a type are.
func ofType(conditions []certificatesv1.CertificateSigningRequestCondition, of certificatesv1.RequestConditionType) []int {
	var at []int
	for i := range conditions {
		if conditions[i].Type == of {
			at = append(at, i)
		}
	}
	return at
}

// timeConditions sets the times that the client left out.
func timeConditions(csr, old *certificatesv1.CertificateSigningRequest) {
	now := metav1.Now()
	for i := range csr.Status.Conditions {
		c := &csr.Status.Conditions[i]
		if c.LastUpdateTime.IsZero() {
			c.LastUpdateTime = now
		}
		if !c.LastTransitionTime.IsZero() {
			continue
		}
		c.LastTransitionTime = now
		same := slices.IndexFunc(old.Status.Conditions, func(o certificatesv1.CertificateSigningRequestCondition) bool {
			return o.Type == c.Type && o.Status == c.Status && !o.LastTransitionTime.IsZero()
		})
		if same >= 0 {
			c.LastTransitionTime = old.Status.Conditions[same].LastTransitionTime
		}
	}
}
