// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// rbacRules are for roles. That nobody grants more than they have is for the
// authorizer to see to.
func rbacRules() []rule {
	return []rule{
		also(of[rbacv1.PolicyRule](f("verbs", required)), func(r *rbacv1.PolicyRule, at *field.Path, p *problems) {
			if len(r.NonResourceURLs) > 0 {
				if len(r.APIGroups)+len(r.Resources)+len(r.ResourceNames) > 0 {
					p.invalid(at.Child("nonResourceURLs"), r.NonResourceURLs, "may not be specified together with resources")
				}
				return
			}
			if len(r.APIGroups) == 0 {
				p.required(at.Child("apiGroups"), "must be specified for resources")
			}
			if len(r.Resources) == 0 {
				p.required(at.Child("resources"), "must have a resource or `nonResourceURLs`")
			}
		}),
		of[rbacv1.AggregationRule](f("clusterRoleSelectors", required)),
		of[rbacv1.RoleRef](f("name", required, segment)),
		also(of[rbacv1.Subject](f("name", required)), subject),
	}
}

func subject(s *rbacv1.Subject, at *field.Path, p *problems) {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		if s.Name != "" {
			p.each(at.Child("name"), s.Name, validation.IsDNS1123Subdomain(s.Name))
		}
		listed(p, at.Child("apiGroup"), s.APIGroup, "")
	case rbacv1.UserKind, rbacv1.GroupKind:
		listed(p, at.Child("apiGroup"), s.APIGroup, rbacv1.GroupName)
	default:
		listed(p, at.Child("kind"), s.Kind, rbacv1.GroupKind, rbacv1.ServiceAccountKind, rbacv1.UserKind)
	}
}

// role checks that rules of a namespace are about what is in namespaces.
func role(r *rbacv1.Role, p *problems) {
	for i, rule := range r.Rules {
		if len(rule.NonResourceURLs) > 0 {
			p.invalid(field.NewPath("rules").Index(i).Child("nonResourceURLs"), rule.NonResourceURLs, "may only be specified in ClusterRoles")
		}
	}
}

func roleRef(ref rbacv1.RoleRef, p *problems, kinds ...string) {
	at := field.NewPath("roleRef")
	listed(p, at.Child("apiGroup"), ref.APIGroup, rbacv1.GroupName)
	listed(p, at.Child("kind"), ref.Kind, kinds...)
}

func roleBinding(b *rbacv1.RoleBinding, p *problems) { roleRef(b.RoleRef, p, "ClusterRole", "Role") }

func clusterRoleBinding(b *rbacv1.ClusterRoleBinding, p *problems) {
	roleRef(b.RoleRef, p, "ClusterRole")
	for i, s := range b.Subjects {
		if s.Kind == rbacv1.ServiceAccountKind && s.Namespace == "" {
			p.required(field.NewPath("subjects").Index(i).Child("namespace"), "")
		}
	}
}

// A binding keeps its role: who may write a binding to a harmless one would
// otherwise make it one to a mighty one.
func updateRoleBinding(b, old *rbacv1.RoleBinding, p *problems) {
	if b.RoleRef != old.RoleRef {
		p.invalid(field.NewPath("roleRef"), b.RoleRef.Name, "field is immutable")
	}
}

func updateClusterRoleBinding(b, old *rbacv1.ClusterRoleBinding, p *problems) {
	if b.RoleRef != old.RoleRef {
		p.invalid(field.NewPath("roleRef"), b.RoleRef.Name, "field is immutable")
	}
}
