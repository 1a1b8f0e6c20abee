// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func TestRuleAllows(t *testing.T) {
	all := []string{"*"}
	core := []string{""}
	resource := func(verb, group, resource, subresource, name string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{
			Verb: verb, APIGroup: group, Resource: resource, Subresource: subresource, Name: name, ResourceRequest: true,
		}
	}
	path := func(verb, path string) authorizer.AttributesRecord {
		return authorizer.AttributesRecord{Verb: verb, Path: path}
	}
	for _, c := range []struct {
		name, reason string
		rule         rbacv1.PolicyRule
		request      authorizer.AttributesRecord
		want         bool
	}{
		{
			"exact", "the ordinary case",
			rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: core, Resources: []string{"pods"}}, resource("get", "", "pods", "", "a"), true,
		},
		{
			"other verb", "watch is not in get",
			rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: core, Resources: []string{"pods"}}, resource("watch", "", "pods", "", "a"), false,
		},
		{
			"other group", "events are in two groups",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"events"}}, resource("get", "events.k8s.io", "events", "", ""), false,
		},
		{
			"no group", "an empty list is not the core group",
			rbacv1.PolicyRule{Verbs: all, Resources: all}, resource("get", "", "pods", "", ""), false,
		},
		{
			"everything", "a star is subresources too",
			rbacv1.PolicyRule{Verbs: all, APIGroups: all, Resources: all}, resource("create", "apps", "deployments", "scale", "a"), true,
		},
		{
			"subresource of an allowed resource", "exec is more than reading a pod",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"pods"}}, resource("create", "", "pods", "exec", "a"), false,
		},
		{
			"resource of an allowed subresource", "reading logs is less than reading pods",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"pods/log"}}, resource("get", "", "pods", "", "a"), false,
		},
		{
			"exact subresource", "the ordinary case",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"pods/log"}}, resource("get", "", "pods", "log", "a"), true,
		},
		{
			"subresource of any resource", "as for the horizontal pod autoscaler",
			rbacv1.PolicyRule{Verbs: all, APIGroups: all, Resources: []string{"*/scale"}}, resource("update", "apps", "deployments", "scale", "a"), true,
		},
		{
			"other subresource of any resource", "the end must be the whole subresource",
			rbacv1.PolicyRule{Verbs: all, APIGroups: all, Resources: []string{"*/scale"}}, resource("update", "apps", "deployments", "upscale", "a"), false,
		},
		{
			"any subresource", "RBAC does not know a star there",
			rbacv1.PolicyRule{Verbs: all, APIGroups: all, Resources: []string{"pods/*"}}, resource("get", "", "pods", "log", "a"), false,
		},
		{
			"the name", "limited to names",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"secrets"}, ResourceNames: []string{"a", "b"}}, resource("get", "", "secrets", "", "b"), true,
		},
		{
			"without a name", "a list is of all names",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"secrets"}, ResourceNames: []string{"a"}}, resource("list", "", "secrets", "", ""), false,
		},
		{
			"star as a name", "names have no wildcards",
			rbacv1.PolicyRule{Verbs: all, APIGroups: core, Resources: []string{"secrets"}, ResourceNames: all}, resource("get", "", "secrets", "", "a"), false,
		},
		{"path", "the ordinary case", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}, path("get", "/healthz"), true},
		{"path below", "it is not a prefix", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz"}}, path("get", "/healthz/etcd"), false},
		{"path with a star", "it is a prefix", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz/*"}}, path("get", "/healthz/etcd"), true},
		{"parent of a path with a star", "the slash belongs to it", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz/*"}}, path("get", "/healthz"), false},
		{"star in the middle of a path", "only the last is one", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/a/*/b"}}, path("get", "/a/x/b"), false},
		{"all paths", "a star alone", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: all}, path("get", "/metrics"), true},
		{"path by resources", "all resources are no paths", rbacv1.PolicyRule{Verbs: all, APIGroups: all, Resources: all}, path("get", "/metrics"), false},
		{"resource by paths", "all paths are no resources", rbacv1.PolicyRule{Verbs: all, NonResourceURLs: all}, resource("get", "", "pods", "", ""), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := RuleAllows(c.request, &c.rule); got != c.want {
				t.Errorf("%s: got %t, want %t", c.reason, got, c.want)
			}
		})
	}
}
