// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/util/webhook"
)

// The limits of policies.
const (
	maxMatchConditions  = 64
	maxWebhookTimeout   = 30
	maxAuditAnnotations = 20
	// maxExpressions bounds how long it takes to compile a policy.
	maxExpressions = 200
)

// admissionRules are for what checks and changes requests.
func admissionRules() []rule {
	hook := []fieldRule{
		f("name", required),
		f("sideEffects", required),
		f("timeoutSeconds", between(1, maxWebhookTimeout)),
		f("matchConditions", maxItems(maxMatchConditions), uniqueBy("Name")),
		f("admissionReviewVersions", required, uniqueBy(), text(validation.IsDNS1035Label)),
	}
	return []rule{
		also(of[admissionregistrationv1.ValidatingWebhook](hook...), func(h *admissionregistrationv1.ValidatingWebhook, at *field.Path, p *problems) {
			admissionWebhook(h.Name, h.SideEffects, h.AdmissionReviewVersions, at, p)
		}),
		also(of[admissionregistrationv1.MutatingWebhook](hook...), func(h *admissionregistrationv1.MutatingWebhook, at *field.Path, p *problems) {
			admissionWebhook(h.Name, h.SideEffects, h.AdmissionReviewVersions, at, p)
		}),
		whole(webhookClient),
		also(of[admissionregistrationv1.RuleWithOperations](f("operations", required)), func(r *admissionregistrationv1.RuleWithOperations, at *field.Path, p *problems) {
			alone(r.Operations, at.Child("operations"), p)
		}),
		also(of[admissionregistrationv1.Rule](f("apiGroups", required), f("apiVersions", required, eachOf(required)), f("resources", required, eachOf(required))),
			func(r *admissionregistrationv1.Rule, at *field.Path, p *problems) {
				alone(r.APIGroups, at.Child("apiGroups"), p)
				alone(r.APIVersions, at.Child("apiVersions"), p)
				if len(r.Resources) > 1 && slices.Contains(r.Resources, "*/*") {
					p.invalid(at.Child("resources"), r.Resources, "may not have others beside '*/*'")
				}
			}),
		of[admissionregistrationv1.NamedRuleWithOperations](f("resourceNames", uniqueBy(), segment)),
		of[admissionregistrationv1.MatchCondition](f("name", required, qualifiedName), f("expression", required)),
		of[admissionregistrationv1.MatchResources](f("matchPolicy", required), f("namespaceSelector", required), f("objectSelector", required)),
		whole(func(k *admissionregistrationv1.ParamKind, at *field.Path, p *problems) {
			gv, err := schema.ParseGroupVersion(k.APIVersion)
			if err != nil || len(validation.IsDNS1035Label(gv.Version)) > 0 || gv.Group != "" && len(validation.IsDNS1123Subdomain(gv.Group)) > 0 {
				p.invalid(at.Child("apiVersion"), k.APIVersion, "must be a version or a group and a version, like apps/v1")
			}
			if k.Kind == "" {
				p.required(at.Child("kind"), "")
			} else {
				p.each(at.Child("kind"), k.Kind, validation.IsDNS1035Label(strings.ToLower(k.Kind)))
			}
		}),
		whole(paramRef),
		of[admissionregistrationv1.Variable](f("name", required, text(identifier)), f("expression", required)),
		also(of[admissionregistrationv1.Validation](f("expression", required)), func(v *admissionregistrationv1.Validation, at *field.Path, p *problems) {
			if strings.ContainsAny(strings.TrimSpace(v.Message), "\n\r") {
				p.invalid(at.Child("message"), v.Message, "must not contain line breaks")
			}
			if v.Reason != nil {
				listed(p, at.Child("reason"), *v.Reason, "Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
			}
		}),
		of[admissionregistrationv1.AuditAnnotation](f("key", required), f("valueExpression", required)),
		also(of[admissionregistrationv1.ValidatingAdmissionPolicySpec](
			f("failurePolicy", required), f("matchConstraints", required),
			f("matchConditions", maxItems(maxMatchConditions), uniqueBy("Name")), f("variables", maxItems(maxExpressions)), f("validations", maxItems(maxExpressions)),
			f("auditAnnotations", maxItems(maxAuditAnnotations), uniqueBy("Key")),
		), func(s *admissionregistrationv1.ValidatingAdmissionPolicySpec, at *field.Path, p *problems) {
			matched(s.MatchConstraints, at, p)
			if len(s.Validations) == 0 && len(s.AuditAnnotations) == 0 {
				p.required(at.Child("validations"), "must be specified when `auditAnnotations` are not")
			}
		}),
		also(of[admissionregistrationv1.MutatingAdmissionPolicySpec](
			f("failurePolicy", required), f("matchConstraints", required), f("reinvocationPolicy", required),
			f("matchConditions", maxItems(maxMatchConditions), uniqueBy("Name")), f("variables", maxItems(maxExpressions)),
			f("mutations", required, maxItems(maxExpressions)),
		), func(s *admissionregistrationv1.MutatingAdmissionPolicySpec, at *field.Path, p *problems) {
			matched(s.MatchConstraints, at, p)
		}),
		also(of[admissionregistrationv1.Mutation](f("patchType", required)), func(m *admissionregistrationv1.Mutation, at *field.Path, p *problems) {
			if (m.PatchType == admissionregistrationv1.PatchTypeApplyConfiguration) != (m.ApplyConfiguration != nil) {
				p.invalid(at.Child("applyConfiguration"), "", "must be specified if, and only if, `patchType` is 'ApplyConfiguration'")
			}
			if (m.PatchType == admissionregistrationv1.PatchTypeJSONPatch) != (m.JSONPatch != nil) {
				p.invalid(at.Child("jsonPatch"), "", "must be specified if, and only if, `patchType` is 'JSONPatch'")
			}
		}),
		of[admissionregistrationv1.ApplyConfiguration](f("expression", required)),
		of[admissionregistrationv1.JSONPatch](f("expression", required)),
		also(of[admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec](f("policyName", required, subdomain), f("validationActions", required, uniqueBy())),
			func(s *admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec, at *field.Path, p *problems) {
				if slices.Contains(s.ValidationActions, admissionregistrationv1.Deny) && slices.Contains(s.ValidationActions, admissionregistrationv1.Warn) {
					p.invalid(at.Child("validationActions"), s.ValidationActions, "may not have both Deny and Warn")
				}
			}),
		of[admissionregistrationv1.MutatingAdmissionPolicyBindingSpec](f("policyName", required, subdomain)),
	}
}

// alone checks that * is the only value: others would have no meaning.
func alone[T ~string](list []T, at *field.Path, p *problems) {
	if len(list) > 1 && slices.Contains(list, "*") {
		p.invalid(at, list, "may not have others beside '*'")
	}
}

func matched(m *admissionregistrationv1.MatchResources, at *field.Path, p *problems) {
	if m != nil && len(m.ResourceRules) == 0 {
		p.required(at.Child("matchConstraints", "resourceRules"), "")
	}
}

func admissionWebhook(name string, effects *admissionregistrationv1.SideEffectClass, versions []string, at *field.Path, p *problems) {
	if name != "" {
		p.add(validation.IsFullyQualifiedName(at.Child("name"), name)...)
	}
	if effects != nil {
		listed(p, at.Child("sideEffects"), *effects, admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.SideEffectClassNoneOnDryRun)
	}
	if len(versions) > 0 && !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		p.invalid(at.Child("admissionReviewVersions"), versions, "must have v1 or v1beta1")
	}
}

func webhookClient(c *admissionregistrationv1.WebhookClientConfig, at *field.Path, p *problems) {
	switch {
	case (c.URL == nil) == (c.Service == nil):
		p.required(at, "must specify exactly one of: `url`, `service`")
	case c.URL != nil:
		p.add(webhook.ValidateWebhookURL(at.Child("url"), *c.URL, true)...)
	default:
		port := int32(443)
		if c.Service.Port != nil {
			port = *c.Service.Port
		}
		p.add(webhook.ValidateWebhookService(at.Child("service"), c.Service.Name, c.Service.Namespace, c.Service.Path, port)...)
	}
}

func paramRef(r *admissionregistrationv1.ParamRef, at *field.Path, p *problems) {
	switch {
	case r.Name != "" && r.Selector != nil:
		p.forbidden(at.Child("name"), "may not be specified together with `selector`")
	case r.Name == "" && r.Selector == nil:
		p.required(at, "must specify `name` or `selector`")
	}
	if r.Name != "" {
		p.each(at.Child("name"), r.Name, content.IsPathSegmentName(r.Name))
	}
	if r.ParameterNotFoundAction == nil {
		p.required(at.Child("parameterNotFoundAction"), "")
	}
}

// reserved words are no names in expressions.
var reserved = sets.New("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
	"if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while")

// identifier checks names that expressions use.
func identifier(name string) []string {
	if reserved.Has(name) {
		return []string{"must not be a reserved word"}
	}
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return []string{"must be letters, digits and underscores, and not begin with a digit"}
		}
	}
	return nil
}
