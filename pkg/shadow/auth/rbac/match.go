// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// RuleAllows tells whether a rule allows a request.
func RuleAllows(request authorizer.Attributes, rule *rbacv1.PolicyRule) bool {
	if !containsOrAll(rule.Verbs, request.GetVerb(), rbacv1.VerbAll) {
		return false
	}
	if !request.IsResourceRequest() {
		return matchesPath(rule.NonResourceURLs, request.GetPath())
	}
	return containsOrAll(rule.APIGroups, request.GetAPIGroup(), rbacv1.APIGroupAll) &&
		matchesResource(rule.Resources, request.GetResource(), request.GetSubresource()) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, request.GetName()))
}

func containsOrAll(allowed []string, asked, all string) bool {
	for _, a := range allowed {
		if a == all || a == asked {
			return true
		}
	}
	return false
}

// matchesResource knows "*" (everything, subresources too), "pods", "pods/log"
// and "*/scale". It does not know "pods/*": RBAC has no such thing.
func matchesResource(allowed []string, resource, subresource string) bool {
	for _, a := range allowed {
		if a == rbacv1.ResourceAll {
			return true
		}
		if subresource == "" {
			if a == resource {
				return true
			}
			continue
		}
		prefix, found := strings.CutSuffix(a, "/"+subresource)
		if found && (prefix == "*" || prefix == resource) {
			return true
		}
	}
	return false
}

// matchesPath knows "/healthz", "/healthz/*" and "*".
func matchesPath(allowed []string, path string) bool {
	for _, a := range allowed {
		if a == rbacv1.NonResourceAll || a == path {
			return true
		}
		if strings.HasSuffix(a, "*") && strings.HasPrefix(path, strings.TrimRight(a, "*")) {
			return true
		}
	}
	return false
}
