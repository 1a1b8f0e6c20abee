// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// errNotSynced is returned rather than a plain no while roles and bindings may be
// missing, so that clients get an error they repeat, and nobody remembers a
// refusal that never was.
var errNotSynced = errors.New("the roles and bindings of this cluster are still being loaded, try again")

// Authorizer allows what roles and bindings allow. It never denies: it has no
// opinion on the rest. It is safe for concurrent use.
type Authorizer struct {
	source Source
}

var (
	_ authorizer.Authorizer   = (*Authorizer)(nil)
	_ authorizer.RuleResolver = (*Authorizer)(nil)
)

// NewAuthorizer returns an authorizer that knows the roles and bindings of a
// source.
func NewAuthorizer(source Source) *Authorizer {
	return &Authorizer{source: source}
}

// HasSynced tells whether all roles and bindings that existed at the start are
// known. Before, what they allow may be allowed already, and everything else is
// an error rather than no opinion.
func (a *Authorizer) HasSynced() bool { return a.source.hasSynced() }

// Authorize implements authorizer.Authorizer.
func (a *Authorizer) Authorize(ctx context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	u := request.GetUser()
	if u == nil {
		return authorizer.DecisionNoOpinion, "", errors.New("a request without a user cannot be authorized")
	}
	// Asked first, so that bindings which arrive while they are searched do not
	// make a premature no look final.
	synced := a.HasSynced()

	var by binding
	allowed := false
	var errs []error
	a.visit(u, request.GetNamespace(), func(b binding, rules []rbacv1.PolicyRule, err error) bool {
		if err != nil {
			errs = append(errs, err)
			return true
		}
		for i := range rules {
			if RuleAllows(request, &rules[i]) {
				by, allowed = b, true
				return false
			}
		}
		return true
	})
	if allowed {
		return authorizer.DecisionAllow, "RBAC: allowed by " + by.describe(u), nil
	}
	if !synced {
		return authorizer.DecisionNoOpinion, "", errNotSynced
	}
	klog.FromContext(ctx).V(5).Info("No role allowed the request", "user", u.GetName(), "groups", u.GetGroups(),
		"verb", request.GetVerb(), "apiGroup", request.GetAPIGroup(), "resource", request.GetResource(), "subresource", request.GetSubresource(),
		"namespace", request.GetNamespace(), "name", request.GetName(), "path", request.GetPath())
	if len(errs) > 0 {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("RBAC: %v", utilerrors.NewAggregate(errs)), nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// RulesFor implements authorizer.RuleResolver.
func (a *Authorizer) RulesFor(_ context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	rules, err := a.policyRules(u, namespace)
	var resources []authorizer.ResourceRuleInfo
	var paths []authorizer.NonResourceRuleInfo
	for _, r := range rules {
		if len(r.Resources) > 0 {
			resources = append(resources, &authorizer.DefaultResourceRuleInfo{
				Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames,
			})
		}
		if len(r.NonResourceURLs) > 0 {
			paths = append(paths, &authorizer.DefaultNonResourceRuleInfo{Verbs: r.Verbs, NonResourceURLs: r.NonResourceURLs})
		}
	}
	return resources, paths, false, err
}

// policyRules returns all rules that apply to a user in a namespace, or, if it is
// empty, in the whole cluster. They hold even if there is an error, which says
// what else could not be found out.
func (a *Authorizer) policyRules(u user.Info, namespace string) ([]rbacv1.PolicyRule, error) {
	var all []rbacv1.PolicyRule
	var errs []error
	if !a.HasSynced() {
		errs = append(errs, errNotSynced)
	}
	a.visit(u, namespace, func(_ binding, rules []rbacv1.PolicyRule, err error) bool {
		all = append(all, rules...)
		if err != nil {
			errs = append(errs, err)
		}
		return true
	})
	return all, utilerrors.NewAggregate(errs)
}

// visit calls f once with each binding of a user that counts in a namespace, and
// either the rules that it gives or the reason why they cannot be had, until f
// returns false.
func (a *Authorizer) visit(u user.Info, namespace string, f func(b binding, rules []rbacv1.PolicyRule, err error) bool) {
	if a.visitIn(a.source.clusterRoleBindings, u, "", f) && namespace != "" {
		a.visitIn(a.source.roleBindings, u, namespace, f)
	}
}

func (a *Authorizer) visitIn(bindings cache.Indexer, u user.Info, namespace string, f func(b binding, rules []rbacv1.PolicyRule, err error) bool) bool {
	var seen []any // a user has few bindings
	visitFound := func(index, name string) bool {
		if name == "" {
			return true
		}
		found, err := bindings.ByIndex(index, indexValue(namespace, name))
		if err != nil {
			return f(binding{}, nil, err)
		}
		for _, object := range found {
			b, ok := bindingOf(object)
			if !ok || slices.Contains(seen, object) {
				continue
			}
			seen = append(seen, object)
			rules, err := a.source.rulesOf(b.role, namespace)
			if !f(b, rules, err) {
				return false
			}
		}
		return true
	}
	if !visitFound(byUser, u.GetName()) {
		return false
	}
	for _, group := range u.GetGroups() {
		if !visitFound(byGroup, group) {
			return false
		}
	}
	return true
}
