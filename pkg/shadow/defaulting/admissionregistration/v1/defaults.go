// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

const (
	// webhookTimeout in seconds.
	webhookTimeout = 10
	// httpsPort is where a webhook's Service is called.
	httpsPort = 443
)

// SetDefaults_ValidatingWebhook calls a webhook for all objects, and refuses
// them when it does not answer.
func SetDefaults_ValidatingWebhook(webhook *admissionregistrationv1.ValidatingWebhook) {
	fill.Nil(&webhook.FailurePolicy, admissionregistrationv1.Fail)
	fill.Nil(&webhook.MatchPolicy, admissionregistrationv1.Equivalent)
	fill.Nil(&webhook.NamespaceSelector, metav1.LabelSelector{})
	fill.Nil(&webhook.ObjectSelector, metav1.LabelSelector{})
	fill.Nil(&webhook.TimeoutSeconds, webhookTimeout)
}

// SetDefaults_MutatingWebhook does as for those that validate, and calls a
// webhook once.
func SetDefaults_MutatingWebhook(webhook *admissionregistrationv1.MutatingWebhook) {
	fill.Nil(&webhook.FailurePolicy, admissionregistrationv1.Fail)
	fill.Nil(&webhook.MatchPolicy, admissionregistrationv1.Equivalent)
	fill.Nil(&webhook.NamespaceSelector, metav1.LabelSelector{})
	fill.Nil(&webhook.ObjectSelector, metav1.LabelSelector{})
	fill.Nil(&webhook.TimeoutSeconds, webhookTimeout)
	fill.Nil(&webhook.ReinvocationPolicy, admissionregistrationv1.NeverReinvocationPolicy)
}

// SetDefaults_Rule applies to resources of namespaces and of the cluster.
func SetDefaults_Rule(rule *admissionregistrationv1.Rule) {
	fill.Nil(&rule.Scope, admissionregistrationv1.AllScopes)
}

// SetDefaults_ServiceReference calls a Service where HTTPS is served.
func SetDefaults_ServiceReference(reference *admissionregistrationv1.ServiceReference) {
	fill.Nil(&reference.Port, httpsPort)
}

// SetDefaults_ValidatingAdmissionPolicySpec refuses what cannot be judged.
func SetDefaults_ValidatingAdmissionPolicySpec(spec *admissionregistrationv1.ValidatingAdmissionPolicySpec) {
	fill.Nil(&spec.FailurePolicy, admissionregistrationv1.Fail)
}

// SetDefaults_MutatingAdmissionPolicySpec refuses what cannot be changed.
func SetDefaults_MutatingAdmissionPolicySpec(spec *admissionregistrationv1.MutatingAdmissionPolicySpec) {
	fill.Nil(&spec.FailurePolicy, admissionregistrationv1.Fail)
}

// SetDefaults_MatchResources matches all objects.
func SetDefaults_MatchResources(match *admissionregistrationv1.MatchResources) {
	fill.Nil(&match.MatchPolicy, admissionregistrationv1.Equivalent)
	fill.Nil(&match.NamespaceSelector, metav1.LabelSelector{})
	fill.Nil(&match.ObjectSelector, metav1.LabelSelector{})
}
