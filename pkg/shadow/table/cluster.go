// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Leases are the columns of leases.coordination.k8s.io.
var Leases = New(definitions{
	nameColumn,
	text("Holder", coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]),
	ageColumn,
}, func(lease *coordinationv1.Lease) []any {
	return []any{lease.Name, deref(lease.Spec.HolderIdentity, ""), age(lease)}
})

// RuntimeClasses are the columns of runtimeclasses.node.k8s.io.
var RuntimeClasses = New(definitions{
	nameColumn,
	text("Handler", nodev1.RuntimeClass{}.SwaggerDoc()["handler"]),
	ageColumn,
}, func(class *nodev1.RuntimeClass) []any {
	return []any{class.Name, class.Handler, age(class)}
})

var priorityClassDoc = schedulingv1.PriorityClass{}.SwaggerDoc()

// PriorityClasses are the columns of priorityclasses.scheduling.k8s.io.
var PriorityClasses = New(definitions{
	nameColumn,
	integer("Value", priorityClassDoc["value"]),
	boolean("Global-Default", priorityClassDoc["globalDefault"]),
	ageColumn,
	text("PreemptionPolicy", priorityClassDoc["preemptionPolicy"]),
}, func(class *schedulingv1.PriorityClass) []any {
	return []any{class.Name, int64(class.Value), class.GlobalDefault, age(class), deref(class.PreemptionPolicy, "")}
})

// PodDisruptionBudgets are the columns of poddisruptionbudgets.policy.
var PodDisruptionBudgets = New(definitions{
	nameColumn,
	text("Min Available", "How many pods must stay available."),
	text("Max Unavailable", "How many pods may be unavailable."),
	integer("Allowed Disruptions", "How many pods may be disrupted now."),
	ageColumn,
}, func(budget *policyv1.PodDisruptionBudget) []any {
	value := func(v *intstr.IntOrString) string {
		if v == nil {
			return "N/A"
		}
		return v.String()
	}
	return []any{
		budget.Name, value(budget.Spec.MinAvailable), value(budget.Spec.MaxUnavailable),
		int64(budget.Status.DisruptionsAllowed), age(budget),
	}
})

var csrSpecDoc = certificatesv1.CertificateSigningRequestSpec{}.SwaggerDoc()

// CertificateSigningRequests are the columns of certificatesigningrequests.certificates.k8s.io.
var CertificateSigningRequests = New(definitions{
	nameColumn,
	ageColumn,
	text("SignerName", csrSpecDoc["signerName"]),
	text("Requestor", csrSpecDoc["username"]),
	text("RequestedDuration", csrSpecDoc["expirationSeconds"]),
	text("Condition", certificatesv1.CertificateSigningRequestStatus{}.SwaggerDoc()["conditions"]),
}, func(csr *certificatesv1.CertificateSigningRequest) []any {
	duration := none
	if csr.Spec.ExpirationSeconds != nil {
		duration = human(time.Duration(*csr.Spec.ExpirationSeconds) * time.Second)
	}
	return []any{csr.Name, age(csr), or(csr.Spec.SignerName, none), csr.Spec.Username, duration, csrConditions(csr)}
})

func csrConditions(csr *certificatesv1.CertificateSigningRequest) string {
	has := map[certificatesv1.RequestConditionType]bool{}
	for _, c := range csr.Status.Conditions {
		has[c.Type] = true
	}
	words := []string{"Pending"}
	switch {
	case has[certificatesv1.CertificateDenied]:
		words[0] = "Denied"
	case has[certificatesv1.CertificateApproved]:
		words[0] = "Approved"
	}
	if has[certificatesv1.CertificateFailed] {
		words = append(words, "Failed")
	}
	if len(csr.Status.Certificate) > 0 {
		words = append(words, "Issued")
	}
	return strings.Join(words, ",")
}
