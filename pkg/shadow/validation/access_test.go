// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestRolesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: 'a:role', namespace: default}, rules: [{verbs: [get], apiGroups: [''], resources: [pods]}]}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a/b")),
			bad("no verbs", "rules[0].verbs", set("rules.0.verbs", js("[]"))),
			bad("no groups", "rules[0].apiGroups", set("rules.0.apiGroups", nil)),
			bad("no resources", "rules[0].resources", set("rules.0.resources", nil)),
			bad("paths", "rules[0].nonResourceURLs", set("rules.0", js("{verbs: [get], nonResourceURLs: [/a]}"))),
		},
		updates: []change{ok("another verb", set("rules.0.verbs", js("[list]")))},
	}.run(t)
	kindCase{
		good:     "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: 'a:role'}, rules: [{verbs: [get], nonResourceURLs: [/a]}]}",
		variants: []change{ok("made of others", set("aggregationRule", js("{clusterRoleSelectors: [{matchLabels: {a: b}}]}")))},
		bad: []refusal{
			bad("paths and resources", "rules[0].nonResourceURLs", set("rules.0.resources", js("[pods]"))),
			bad("made of nothing", "aggregationRule.clusterRoleSelectors", set("aggregationRule", js("{}"))),
			bad("made of what is none", "aggregationRule.clusterRoleSelectors[0].matchLabels", set("aggregationRule", js("{clusterRoleSelectors: [{matchLabels: {a: 'b c'}}]}"))),
		},
	}.run(t)
}

func TestRoleBindingsLikeKubeAPIServer(t *testing.T) {
	const ref = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}"
	kindCase{
		good: "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: binding, namespace: default}, " + ref + ", subjects: [{kind: User, name: a}, {kind: ServiceAccount, name: a}]}",
		bad: []refusal{
			bad("group of a role", "roleRef.apiGroup", set("roleRef.apiGroup", "a")),
			bad("kind of a role", "roleRef.kind", set("roleRef.kind", "User")),
			bad("no role", "roleRef.name", set("roleRef.name", "")),
			bad("kind of a subject", "subjects[0].kind", set("subjects.0.kind", "Dog")),
			bad("no subject", "subjects[0].name", set("subjects.0.name", "")),
			bad("group of a user", "subjects[0].apiGroup", set("subjects.0.apiGroup", "a")),
			bad("name of an account", "subjects[1].name", set("subjects.1.name", "a:b")),
		},
		updates:    []change{ok("another subject", set("subjects.0.name", "b"))},
		badUpdates: []refusal{bad("another role", "roleRef", set("roleRef.name", "cluster-admin"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: binding}, " + ref + ", subjects: [{kind: ServiceAccount, name: a, namespace: default}]}",
		bad: []refusal{
			bad("kind of a role", "roleRef.kind", set("roleRef.kind", "Role")),
			bad("account of no namespace", "subjects[0].namespace", set("subjects.0.namespace", nil)),
		},
		badUpdates: []refusal{bad("another role", "roleRef", set("roleRef.name", "cluster-admin"))},
	}.run(t)
}

// request64 is a request for a certificate, as JSON has it.
func request64(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func TestSigningRequestsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: request}, spec: {signerName: example.com/signer, usages: [client auth], request: " + request64(t) + "}}",
		bad: []refusal{
			bad("nothing asked", "spec.request", set("spec.request", "")),
			bad("nonsense asked", "spec.request", set("spec.request", "YWJj")),
			bad("signer", "spec.signerName", set("spec.signerName", "a")),
			bad("signer of old", "spec.signerName", set("spec.signerName", "kubernetes.io/legacy-unknown")),
			bad("no use", "spec.usages", set("spec.usages", js("[]"))),
			bad("use", "spec.usages[0]", set("spec.usages.0", "magic")),
			bad("use twice", "spec.usages[1]", set("spec.usages.1", "client auth")),
			bad("for a minute", "spec.expirationSeconds", set("spec.expirationSeconds", 60)),
		},
		statuses: []change{ok("failed", set("status.conditions", js("[{type: Failed, status: 'True', reason: a}]")))},
		badStatuses: []refusal{
			bad("approved by its signer", "status.conditions", set("status.conditions", js("[{type: Approved, status: 'True', reason: a}]"))),
			bad("failed, but not quite", "status.conditions[0].status", set("status.conditions", js("[{type: Failed, status: 'False', reason: a}]"))),
			bad("failed twice", "status.conditions[1].type", set("status.conditions", js("[{type: Failed, status: 'True', reason: a}, {type: Failed, status: 'True', reason: b}]"))),
			bad("a certificate that is none", "status.certificate", set("status.certificate", "YWJj")),
		},
	}.run(t)
}

// kube-apiserver keeps the specification in its strategy, and so says nothing.
func TestSigningRequestsKeepTheirSpecification(t *testing.T) {
	old := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{Username: "a"}}
	csr := old.DeepCopy()
	csr.Spec.Username = "system:admin"
	if errs := Update(csr, old); !names(errs, "spec") {
		t.Errorf("It says %v", errs.ToAggregate())
	}
}

func TestApprovals(t *testing.T) {
	with := func(kinds ...certificatesv1.RequestConditionType) *certificatesv1.CertificateSigningRequest {
		csr := &certificatesv1.CertificateSigningRequest{}
		for _, kind := range kinds {
			csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{Type: kind, Status: corev1.ConditionTrue})
		}
		return csr
	}
	for _, test := range []struct {
		name     string
		now, old *certificatesv1.CertificateSigningRequest
		refused  string
	}{
		{"approved", with("Approved"), with(), ""},
		{"denied", with("Denied"), with(), ""},
		{"both", with("Denied", "Approved"), with("Denied"), "status.conditions"},
		{"taken back", with(), with("Approved"), "status.conditions"},
		{"with a certificate", func() *certificatesv1.CertificateSigningRequest {
			csr := with("Approved")
			csr.Status.Certificate = []byte("a")
			return csr
		}(), with(), "status.certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			errs := UpdateApproval(test.now, test.old)
			if test.refused == "" && len(errs) > 0 || test.refused != "" && !names(errs, test.refused) {
				t.Errorf("It says %v", errs.ToAggregate())
			}
		})
	}
}

func TestClassesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: class}, value: 5}",
		bad: []refusal{
			bad("above all", "value", set("value", 1000000001)),
			bad("the system's", "metadata.name", set("metadata.name", "system-mine")),
			bad("policy", "preemptionPolicy", set("preemptionPolicy", "Magic")),
		},
		updates:    []change{ok("described", set("description", "a"))},
		badUpdates: []refusal{bad("another value", "value", set("value", 6)), bad("another policy", "preemptionPolicy", set("preemptionPolicy", "Never"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: class}, handler: a, overhead: {podFixed: {cpu: 100m}}, scheduling: {nodeSelector: {a: b}, tolerations: [{key: a, operator: Exists}]}}",
		bad: []refusal{
			bad("handler", "handler", set("handler", "../a")),
			bad("no handler", "handler", set("handler", "")),
			bad("overhead", "overhead.limits[love]", set("overhead.podFixed", js("{love: 1}"))),
			bad("selector", "scheduling.nodeSelector", set("scheduling.nodeSelector.a", "b c")),
			bad("toleration twice", "scheduling.tolerations[1]", set("scheduling.tolerations.1", js("{key: a, operator: Exists}"))),
		},
		badUpdates: []refusal{bad("another handler", "handler", set("handler", "b"))},
	}.run(t)
}
