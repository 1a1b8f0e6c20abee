// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import rbacv1 "k8s.io/api/rbac/v1"

// fixedRules are what every kubelet may do with resources that are not divided up
// among nodes. Those that are have functions of their own, see decide.
var fixedRules = []rbacv1.PolicyRule{
	// Who calls the kubelet, and may they?
	rule("authentication.k8s.io", "tokenreviews", "create"),
	rule("authorization.k8s.io", "subjectaccessreviews", "create"),
	rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
	// The environment variables of containers name all services.
	rule("", "services", "get", "list", "watch"),
	// GlusterFS volumes name endpoints.
	rule("", "endpoints", "get"),
	rule("", "events", "create", "update", "patch"),
	rule("events.k8s.io", "events", "create", "update", "patch"),
	rule("node.k8s.io", "runtimeclasses", "get", "list", "watch"),
	rule("storage.k8s.io", "csidrivers", "get", "list", "watch"),
	// The kubelet's own certificates; Restriction looks at what it asks for.
	rule("certificates.k8s.io", "certificatesigningrequests", "create", "get", "list", "watch"),
}

func rule(group, resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
}
