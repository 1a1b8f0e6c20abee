// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/klog/v2"
)

const (
	approvalName = "CertificateApproval"
	signingName  = "CertificateSigning"
	subjectName  = "CertificateSubjectRestriction"
)

var requests = certificatesv1.Resource("certificatesigningrequests")

// approval lets those approve a request who may for its signer.
type approval struct {
	*admission.Handler
	authorizer authorizer.Authorizer
}

// signing lets those sign.
type signing struct {
	*admission.Handler
	authorizer authorizer.Authorizer
}

// subject lets nobody ask to be a master.
type subject struct {
	*admission.Handler
}

var (
	_ admission.ValidationInterface = &approval{}
	_ admission.ValidationInterface = &signing{}
	_ admission.ValidationInterface = subject{}
)

// Validate asks whether the caller may approve for the signer.
func (p *approval) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != requests || a.GetSubresource() != "approval" {
		return nil
	}
	// The signer in the new object may be another: nobody has checked that yet.
	old, ok := a.GetOldObject().(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return admission.NewForbidden(a, fmt.Errorf("expected a CertificateSigningRequest, not %T", a.GetOldObject()))
	}
	if !mayFor(ctx, p.authorizer, a.GetUserInfo(), "approve", old.Spec.SignerName) {
		return admission.NewForbidden(a, fmt.Errorf("user not permitted to approve requests with signerName %q", old.Spec.SignerName))
	}
	return nil
}

// Validate asks whether the caller may sign for the signer.
func (p *signing) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != requests || a.GetSubresource() != "status" {
		return nil
	}
	old, had := a.GetOldObject().(*certificatesv1.CertificateSigningRequest)
	csr, ok := a.GetObject().(*certificatesv1.CertificateSigningRequest)
	if !had || !ok {
		return admission.NewForbidden(a, fmt.Errorf("expected CertificateSigningRequests, not %T and %T", a.GetOldObject(), a.GetObject()))
	}
	if slices.Equal(old.Status.Certificate, csr.Status.Certificate) && equality.Semantic.DeepEqual(old.Status.Conditions, csr.Status.Conditions) {
		return nil
	}
	if !mayFor(ctx, p.authorizer, a.GetUserInfo(), "sign", old.Spec.SignerName) {
		return admission.NewForbidden(a, fmt.Errorf("user not permitted to sign requests with signerName %q", old.Spec.SignerName))
	}
	return nil
}

// mayFor says whether a user may do something for a signer, by its name or for all
// of its domain.
func mayFor(ctx context.Context, auth authorizer.Authorizer, u user.Info, verb, signer string) bool {
	domain, _, _ := strings.Cut(signer, "/")
	for _, name := range []string{signer, domain + "/*"} {
		decision, _, err := auth.Authorize(ctx, authorizer.AttributesRecord{
			User: u, Verb: verb, APIGroup: certificatesv1.GroupName, APIVersion: "*",
			Resource: "signers", Name: name, ResourceRequest: true,
		})
		if decision == authorizer.DecisionAllow {
			return true
		}
		if err != nil {
			klog.FromContext(ctx).Error(err, "Could not find out who may use a signer", "signer", name, "verb", verb, "user", u.GetName())
		}
	}
	return false
}

// Validate looks into the request.
func (subject) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	csr, ok := a.GetObject().(*certificatesv1.CertificateSigningRequest)
	if !ok || !isOf(a, requests) || csr.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName {
		return nil
	}
	asked, err := parseRequest(csr.Spec.Request)
	if err != nil {
		return admission.NewForbidden(a, fmt.Errorf("failed to parse CSR: %w", err))
	}
	if slices.Contains(asked.Subject.Organization, user.SystemPrivilegedGroup) {
		return admission.NewForbidden(a, fmt.Errorf("use of %s signer with %s group is not allowed", csr.Spec.SignerName, user.SystemPrivilegedGroup))
	}
	return nil
}

func parseRequest(text []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}
