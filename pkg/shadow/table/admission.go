// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import admissionv1 "k8s.io/api/admissionregistration/v1"

var (
	webhooksColumn = integer("Webhooks", "How many webhooks the configuration has")
	paramKind      = text("ParamKind", "The kind of the objects that parameterize the policy")
	policyName     = text("PolicyName", "The policy that is bound")
	paramRef       = text("ParamRef", "The objects that parameterize the policy")
)

// MutatingWebhookConfigurations are the columns of mutatingwebhookconfigurations.admissionregistration.k8s.io.
var MutatingWebhookConfigurations = New(definitions{nameColumn, webhooksColumn, ageColumn}, func(c *admissionv1.MutatingWebhookConfiguration) []any {
	return []any{c.Name, int64(len(c.Webhooks)), age(c)}
})

// ValidatingWebhookConfigurations are the columns of validatingwebhookconfigurations.admissionregistration.k8s.io.
var ValidatingWebhookConfigurations = New(definitions{nameColumn, webhooksColumn, ageColumn}, func(c *admissionv1.ValidatingWebhookConfiguration) []any {
	return []any{c.Name, int64(len(c.Webhooks)), age(c)}
})

// ValidatingAdmissionPolicies are the columns of validatingadmissionpolicies.admissionregistration.k8s.io.
var ValidatingAdmissionPolicies = New(definitions{
	nameColumn, integer("Validations", "How many validations the policy has"), paramKind, ageColumn,
}, func(p *admissionv1.ValidatingAdmissionPolicy) []any {
	return []any{p.Name, int64(len(p.Spec.Validations)), parameterKind(p.Spec.ParamKind), age(p)}
})

// MutatingAdmissionPolicies are the columns of mutatingadmissionpolicies.admissionregistration.k8s.io.
var MutatingAdmissionPolicies = New(definitions{
	nameColumn, integer("Mutations", "How many mutations the policy has"), paramKind, ageColumn,
}, func(p *admissionv1.MutatingAdmissionPolicy) []any {
	return []any{p.Name, int64(len(p.Spec.Mutations)), parameterKind(p.Spec.ParamKind), age(p)}
})

// ValidatingAdmissionPolicyBindings are the columns of validatingadmissionpolicybindings.admissionregistration.k8s.io.
var ValidatingAdmissionPolicyBindings = New(definitions{nameColumn, policyName, paramRef, ageColumn}, func(b *admissionv1.ValidatingAdmissionPolicyBinding) []any {
	return []any{b.Name, b.Spec.PolicyName, parameters(b.Spec.ParamRef), age(b)}
})

// MutatingAdmissionPolicyBindings are the columns of mutatingadmissionpolicybindings.admissionregistration.k8s.io.
var MutatingAdmissionPolicyBindings = New(definitions{nameColumn, policyName, paramRef, ageColumn}, func(b *admissionv1.MutatingAdmissionPolicyBinding) []any {
	return []any{b.Name, b.Spec.PolicyName, parameters(b.Spec.ParamRef), age(b)}
})

func parameterKind(kind *admissionv1.ParamKind) string {
	if kind == nil {
		return unset
	}
	return kind.APIVersion + "/" + kind.Kind
}

// parameters cannot tell whether they are cluster-scoped: those without a
// namespace may be of any.
func parameters(ref *admissionv1.ParamRef) string {
	switch {
	case ref != nil && ref.Name != "":
		return or(ref.Namespace, "*") + "/" + ref.Name
	case ref != nil && ref.Selector != nil:
		return ref.Selector.String()
	default:
		return unset
	}
}
