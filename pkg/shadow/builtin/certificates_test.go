// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"
)

const requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

// request is a CertificateSigningRequest in YAML.
func request(t *testing.T, name, signer string, groups ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "u", Organization: groups}}, key)
	must(t, err)
	text := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return fmt.Sprintf(`{metadata: {name: %s}, spec: {signerName: %s, request: %s, usages: [client auth], username: somebody, groups: [else]}, status: {conditions: [{type: Approved, status: "True"}]}}`, name, signer, text)
}

func TestCertificateRequestsAreDecidedAsInKubeAPIServer(t *testing.T) {
	theirs, ours := servers(t)
	compare(t, theirs, ours, []step{
		create("who asks is who calls", requests, request(t, "r", "example.com/s")),
		merge("what is asked stays", requests+"/r", `{metadata: {labels: {a: b}}, spec: {signerName: example.com/other}, status: {certificate: eA==}}`),
		apply("nor is it for appliers", requests+"/r?fieldManager=k", `{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: r, labels: {c: d}}, spec: {expirationSeconds: 600}}`),
		refused(merge("no decision with the status", requests+"/r/status", `{status: {conditions: [{type: Approved, status: "True", reason: R}]}}`)),
		merge("approved, and nothing else", requests+"/r/approval", `{spec: {signerName: example.com/other}, status: {certificate: eA==, conditions: [{type: Approved, status: "True", reason: R, message: m}]}}`),
		refused(merge("not denied as well", requests+"/r/approval", `{status: {conditions: [{type: Approved, status: "True", reason: R}, {type: Denied, status: "True", reason: R}]}}`)),
		refused(merge("nor undone", requests+"/r/approval", `{status: {conditions: []}}`)),
		merge("failed", requests+"/r/status", `{status: {conditions: [{type: Approved, status: "True", reason: other}, {type: Failed, status: "True", reason: F}]}}`),
		refused(create("nobody becomes a master", requests, request(t, "m", "kubernetes.io/kube-apiserver-client", "system:masters"))),
		remove("gone", requests+"/r", ``),
	})
}
