// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// maxDescribedRules bounds the message that refuses a role: a role may lack
// thousands of rights, and the message ends up in a Status and in the audit log.
const maxDescribedRules = 50

// describeRules says what atomic rules, as validation.Covers returns them, allow:
// "get,list pods; get secrets named "a"; get /metrics". It is sorted.
func describeRules(rules []rbacv1.PolicyRule) string {
	verbs := map[string][]string{}
	for _, r := range rules {
		object := describeObject(&r)
		for _, v := range r.Verbs {
			if !slices.Contains(verbs[object], v) {
				verbs[object] = append(verbs[object], v)
			}
		}
	}
	var lines []string
	for object, v := range verbs {
		lines = append(lines, strings.Join(v, ",")+" "+object)
	}
	slices.Sort(lines)
	if more := len(lines) - maxDescribedRules; more > 0 {
		lines = append(lines[:maxDescribedRules], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "; ")
}

func describeObject(r *rbacv1.PolicyRule) string {
	if len(r.NonResourceURLs) > 0 {
		return strings.Join(r.NonResourceURLs, ",")
	}
	object := strings.Join(r.Resources, ",")
	if group := strings.Join(r.APIGroups, ","); group != "" {
		object += "." + group
	}
	if len(r.ResourceNames) > 0 {
		object += fmt.Sprintf(" named %q", r.ResourceNames)
	}
	return object
}
