// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const legacySigner = "kubernetes.io/legacy-unknown"

// certificateRules are for requests for certificates.
func certificateRules() []rule {
	return []rule{
		also(of[certificatesv1.CertificateSigningRequestSpec](
			f("signerName", required, text(signerName)), f("usages", required, uniqueBy()), f("expirationSeconds", atLeast(minTokenSeconds)),
		), func(s *certificatesv1.CertificateSigningRequestSpec, at *field.Path, p *problems) {
			if err := request(s.Request); err != nil {
				p.invalid(at.Child("request"), "", err.Error())
			}
			if s.SignerName == legacySigner {
				p.invalid(at.Child("signerName"), s.SignerName, "must name a signer")
			}
		}),
	}
}

// request checks that whoever asks has the key.
func request(data []byte) error {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("must be a PEM block of type CERTIFICATE REQUEST")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return errors.New("must be a PKCS #10 certificate request")
	}
	if parsed.CheckSignature() != nil {
		return errors.New("must be signed with its own key")
	}
	return nil
}

// issued checks that an answer has nothing but certificates.
func issued(data []byte) error {
	wrong := errors.New("must be PEM blocks of type CERTIFICATE without headers")
	for n := 0; ; n++ {
		block, rest := pem.Decode(data)
		if block == nil && n > 0 {
			return nil
		}
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			return wrong
		}
		if certs, err := x509.ParseCertificates(block.Bytes); err != nil || len(certs) == 0 {
			return wrong
		}
		data = rest
	}
}

// UpdateApproval says what is wrong with a certificate signing request that is
// approved or denied.
func UpdateApproval(csr, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
	return changed(csr, old, func(_ kind, p *problems) {
		signingStatus(csr, old, p)
		unchanged(p, status.Child("certificate"), csr.Status.Certificate, old.Status.Certificate)
	})
}

// updateSigningRequest checks that neither a request nor the answer change.
func updateSigningRequest(csr, old *certificatesv1.CertificateSigningRequest, p *problems) {
	if !apiequality.Semantic.DeepEqual(&csr.Spec, &old.Spec) {
		p.invalid(spec, "", "field is immutable"+differing(&csr.Spec, &old.Spec))
	}
}

// issueCertificate checks a status from a signer: it must not approve.
func issueCertificate(csr, old *certificatesv1.CertificateSigningRequest, p *problems) {
	signingStatus(csr, old, p)
	for _, kind := range []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied} {
		if !apiequality.Semantic.DeepEqual(conditionsOf(csr, kind), conditionsOf(old, kind)) {
			p.forbidden(status.Child("conditions"), "may not change "+string(kind)+" but by the subresource approval")
		}
	}
	if before := old.Status.Certificate; len(before) > 0 && !bytes.Equal(csr.Status.Certificate, before) {
		p.forbidden(status.Child("certificate"), "may not change once set")
	}
}

func conditionsOf(csr *certificatesv1.CertificateSigningRequest, kind certificatesv1.RequestConditionType) []certificatesv1.CertificateSigningRequestCondition {
	var found []certificatesv1.CertificateSigningRequestCondition
	for _, c := range csr.Status.Conditions {
		if c.Type == kind {
			found = append(found, c)
		}
	}
	return found
}

func signingStatus(csr, old *certificatesv1.CertificateSigningRequest, p *problems) {
	at, seen := status.Child("conditions"), map[certificatesv1.RequestConditionType]bool{}
	final := []certificatesv1.RequestConditionType{certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed}
	for i, c := range csr.Status.Conditions {
		at := at.Index(i)
		if c.Type == "" {
			p.required(at.Child("type"), "")
		}
		if seen[c.Type] {
			p.duplicate(at.Child("type"), c.Type)
		}
		seen[c.Type] = true
		switch {
		case c.Status == "":
			p.required(at.Child("status"), "")
		case slices.Contains(final, c.Type):
			listed(p, at.Child("status"), c.Status, corev1.ConditionTrue)
		default:
			listed(p, at.Child("status"), c.Status, corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown)
		}
	}
	if seen[certificatesv1.CertificateApproved] && seen[certificatesv1.CertificateDenied] {
		p.invalid(at, "", "may not be both Approved and Denied")
	}
	for _, kind := range final {
		if len(conditionsOf(old, kind)) > 0 && !seen[kind] {
			p.forbidden(at, "may not lose "+string(kind))
		}
	}
	if now := csr.Status.Certificate; len(now) > 0 && !bytes.Equal(now, old.Status.Certificate) {
		if err := issued(now); err != nil {
			p.invalid(status.Child("certificate"), "<certificate data>", err.Error())
		}
	}
}
