// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
)

// plainCompiler compiles expressions that use no variables of a policy. It is made
// when the first policy is: most pools have none.
var plainCompiler = sync.OnceValue(func() plugincel.Compiler {
	return plugincel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
})

// expressions compiles what a policy evaluates for each request: one that does not
// compile would fail them all.
type expressions struct {
	p        *problems
	compiler plugincel.Compiler
	params   bool
}

// newExpressions is for a policy with such variables, which later expressions use.
func newExpressions(p *problems, variables []admissionregistrationv1.Variable, kind *admissionregistrationv1.ParamKind, at *field.Path) expressions {
	e := expressions{p, plainCompiler(), kind != nil}
	if len(variables) == 0 {
		return e
	}
	composed, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		p.add(field.InternalError(at, err))
		return e
	}
	e.compiler = composed
	for i, v := range variables[:min(len(variables), maxExpressions)] {
		variable := &validating.Variable{Name: v.Name, Expression: v.Expression}
		result := composed.CompileAndStoreVariable(variable, e.options(), environment.NewExpressions)
		if result.Error != nil && strings.TrimSpace(v.Expression) != "" {
			p.invalid(at.Child("variables").Index(i).Child("expression"), v.Expression, result.Error.Detail)
		}
	}
	return e
}

func (e expressions) options() plugincel.OptionalVariableDeclarations {
	return plugincel.OptionalVariableDeclarations{HasParams: e.params, HasAuthorizer: true}
}

// compile checks an expression, if there is one.
func (e expressions) compile(compiler plugincel.Compiler, expression plugincel.ExpressionAccessor, options plugincel.OptionalVariableDeclarations, at *field.Path) {
	text := expression.GetExpression()
	if strings.TrimSpace(text) == "" || e.p.full() {
		return
	}
	if result := compiler.CompileCELExpression(expression, options, environment.NewExpressions); result.Error != nil {
		e.p.invalid(at, text, result.Error.Detail)
	}
}

func (e expressions) conditions(list []admissionregistrationv1.MatchCondition, at *field.Path) {
	for i, c := range list[:min(len(list), maxMatchConditions)] {
		e.compile(plainCompiler(), &matchconditions.MatchCondition{Expression: c.Expression}, e.options(), at.Child("matchConditions").Index(i).Child("expression"))
	}
}

func validatingPolicy(policy *admissionregistrationv1.ValidatingAdmissionPolicy, p *problems) {
	s := &policy.Spec
	e := newExpressions(p, s.Variables, s.ParamKind, spec)
	e.conditions(s.MatchConditions, spec)
	for i, v := range s.Validations[:min(len(s.Validations), maxExpressions)] {
		at := spec.Child("validations").Index(i)
		e.compile(e.compiler, &validating.ValidationCondition{Expression: v.Expression}, e.options(), at.Child("expression"))
		e.compile(e.compiler, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression},
			plugincel.OptionalVariableDeclarations{HasParams: e.params}, at.Child("messageExpression"))
	}
	for i, a := range s.AuditAnnotations[:min(len(s.AuditAnnotations), maxAuditAnnotations)] {
		key := policy.Name + "/" + a.Key
		p.each(spec.Child("auditAnnotations").Index(i).Child("key"), key, validation.IsQualifiedName(key))
		e.compile(e.compiler, &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression}, e.options(),
			spec.Child("auditAnnotations").Index(i).Child("valueExpression"))
	}
}

func mutatingPolicy(policy *admissionregistrationv1.MutatingAdmissionPolicy, p *problems) {
	s := &policy.Spec
	e := newExpressions(p, s.Variables, s.ParamKind, spec)
	e.conditions(s.MatchConditions, spec)
	options := e.options()
	options.HasPatchTypes = true
	for i, m := range s.Mutations[:min(len(s.Mutations), maxExpressions)] {
		at := spec.Child("mutations").Index(i)
		if m.ApplyConfiguration != nil {
			e.compile(e.compiler, &patch.ApplyConfigurationCondition{Expression: m.ApplyConfiguration.Expression}, options, at.Child("applyConfiguration", "expression"))
		}
		if m.JSONPatch != nil {
			e.compile(e.compiler, &patch.JSONPatchCondition{Expression: m.JSONPatch.Expression}, options, at.Child("jsonPatch", "expression"))
		}
	}
}

func validatingWebhooks(c *admissionregistrationv1.ValidatingWebhookConfiguration, p *problems) {
	names := map[string]bool{}
	for i, hook := range c.Webhooks {
		webhookAt(names, hook.Name, hook.MatchConditions, field.NewPath("webhooks").Index(i), p)
	}
}

func mutatingWebhooks(c *admissionregistrationv1.MutatingWebhookConfiguration, p *problems) {
	names := map[string]bool{}
	for i, hook := range c.Webhooks {
		webhookAt(names, hook.Name, hook.MatchConditions, field.NewPath("webhooks").Index(i), p)
	}
}

func webhookAt(names map[string]bool, name string, conditions []admissionregistrationv1.MatchCondition, at *field.Path, p *problems) {
	if name != "" && names[name] {
		p.duplicate(at.Child("name"), name)
	}
	names[name] = true
	expressions{p: p}.conditions(conditions, at)
}
