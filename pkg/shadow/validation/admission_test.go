// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import "testing"

func TestPoliciesLikeKubeAPIServer(t *testing.T) {
	const rules = "matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}"
	kindCase{
		good: `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: policy.example.com}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  variables: [{name: a, expression: object.metadata.name}]
  matchConditions: [{name: a, expression: 'true'}]
  validations: [{expression: variables.a == 'a', messageExpression: "'not ' + variables.a"}]
  auditAnnotations: [{key: a, valueExpression: "'a'"}]
`,
		variants: []change{ok("with parameters", set("spec.paramKind", js("{apiVersion: v1, kind: ConfigMap}")), set("spec.validations.0.expression", "params.data.a == 'b'"))},
		bad: []refusal{
			bad("no rules", "spec.matchConstraints", set("spec.matchConstraints", nil)),
			bad("rules of nothing", "spec.matchConstraints.resourceRules", set("spec.matchConstraints.resourceRules", js("[]"))),
			bad("no operations", "spec.matchConstraints.resourceRules[0].operations", set("spec.matchConstraints.resourceRules.0.operations", js("[]"))),
			bad("an operation", "spec.matchConstraints.resourceRules[0].operations[0]", set("spec.matchConstraints.resourceRules.0.operations", js("[MAGIC]"))),
			bad("all and more", "spec.matchConstraints.resourceRules[0].apiGroups", set("spec.matchConstraints.resourceRules.0.apiGroups", js("['*', a]"))),
			bad("no versions", "spec.matchConstraints.resourceRules[0].apiVersions", set("spec.matchConstraints.resourceRules.0.apiVersions", js("[]"))),
			bad("policy on failure", "spec.failurePolicy", set("spec.failurePolicy", "Magic")),
			bad("nothing to check", "spec.validations", set("spec.validations", nil), set("spec.auditAnnotations", nil)),
			bad("an expression that does not compile", "spec.validations[0].expression", set("spec.validations.0.expression", "object.")),
			bad("an expression that is no condition", "spec.validations[0].expression", set("spec.validations.0.expression", "'a'")),
			bad("an expression of an unknown variable", "spec.validations[0].expression", set("spec.validations.0.expression", "variables.b")),
			bad("a message that does not compile", "spec.validations[0].messageExpression", set("spec.validations.0.messageExpression", "1 +")),
			bad("parameters without kind", "spec.validations[0].expression", set("spec.validations.0.expression", "params.a")),
			bad("no expression", "spec.validations[0].expression", set("spec.validations.0.expression", "")),
			bad("a reason", "spec.validations[0].reason", set("spec.validations.0.reason", "Magic")),
			bad("a message of two lines", "spec.validations[0].message", set("spec.validations.0.message", "a\nb")),
			bad("a variable that does not compile", "spec.variables[0].expression", set("spec.variables.0.expression", "1 +")),
			bad("a variable of a reserved name", "spec.variables[0].name", set("spec.variables.0.name", "in")),
			bad("a condition that does not compile", "spec.matchConditions[0].expression", set("spec.matchConditions.0.expression", "1 +")),
			bad("a condition without name", "spec.matchConditions[0].name", set("spec.matchConditions.0.name", "")),
			bad("an annotation that does not compile", "spec.auditAnnotations[0].valueExpression", set("spec.auditAnnotations.0.valueExpression", "1 +")),
			bad("parameters of no kind", "spec.paramKind.kind", set("spec.paramKind", js("{apiVersion: v1}"))),
		},
		updates: []change{ok("warn", set("spec.failurePolicy", "Ignore"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: binding}, spec: {policyName: a, validationActions: [Deny], paramRef: {name: a, parameterNotFoundAction: Deny}}}",
		bad: []refusal{
			bad("no policy", "spec.policyName", set("spec.policyName", "")),
			bad("no action", "spec.validationActions", set("spec.validationActions", js("[]"))),
			bad("action", "spec.validationActions[0]", set("spec.validationActions", js("[Magic]"))),
			bad("deny and warn", "spec.validationActions", set("spec.validationActions", js("[Deny, Warn]"))),
			bad("parameters twice", "spec.paramRef.name", set("spec.paramRef.selector", js("{matchLabels: {a: b}}"))),
			bad("parameters missing", "spec.paramRef.parameterNotFoundAction", set("spec.paramRef.parameterNotFoundAction", nil)),
		},
	}.run(t)
	kindCase{
		good: "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicy, metadata: {name: mutating}, spec: {reinvocationPolicy: Never, " + rules +
			", mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {\"a\": \"b\"}}}'}}]}}",
		variants: []change{ok("patched", set("spec.mutations.0", js(`{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add", path: "/a", value: "b"}]'}}`)))},
		bad: []refusal{
			bad("no mutations", "spec.mutations", set("spec.mutations", js("[]"))),
			bad("type", "spec.mutations[0].patchType", set("spec.mutations.0.patchType", "Magic")),
			bad("does not compile", "spec.mutations[0].applyConfiguration.expression", set("spec.mutations.0.applyConfiguration.expression", "1 +")),
			bad("of another type", "spec.mutations[0].jsonPatch", set("spec.mutations.0.patchType", "JSONPatch")),
			bad("reinvocation", "spec.reinvocationPolicy", set("spec.reinvocationPolicy", "Magic")),
		},
	}.run(t)
}

func TestWebhooksLikeKubeAPIServer(t *testing.T) {
	for _, kind := range []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"} {
		kindCase{
			good: "{apiVersion: admissionregistration.k8s.io/v1, kind: " + kind + ", metadata: {name: hooks}, webhooks: [{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], " +
				"clientConfig: {url: 'https://example.com/a'}, namespaceSelector: {matchLabels: {no: such}}, rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [a]}], matchConditions: [{name: a, expression: 'true'}]}]}",
			variants: []change{ok("a service", set("webhooks.0.clientConfig", js("{service: {name: a, namespace: b}}")))},
			bad: []refusal{
				bad("name", "webhooks[0].name", set("webhooks.0.name", "a")),
				bad("name twice", "webhooks[1].name", set("webhooks.1", js("{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: 'https://example.com/a'}}"))),
				bad("side effects", "webhooks[0].sideEffects", set("webhooks.0.sideEffects", "Some")),
				bad("versions", "webhooks[0].admissionReviewVersions", set("webhooks.0.admissionReviewVersions", js("[v7]"))),
				bad("no client", "webhooks[0].clientConfig", set("webhooks.0.clientConfig", js("{}"))),
				bad("client in clear text", "webhooks[0].clientConfig.url", set("webhooks.0.clientConfig.url", "http://example.com")),
				bad("timeout", "webhooks[0].timeoutSeconds", set("webhooks.0.timeoutSeconds", 31)),
				bad("failure", "webhooks[0].failurePolicy", set("webhooks.0.failurePolicy", "Magic")),
				bad("condition", "webhooks[0].matchConditions[0].expression", set("webhooks.0.matchConditions.0.expression", "1 +")),
				bad("scope", "webhooks[0].rules[0].scope", set("webhooks.0.rules.0.scope", "World")),
			},
		}.run(t)
	}
}
