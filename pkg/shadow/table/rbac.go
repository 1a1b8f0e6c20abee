// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// RoleBindings are the columns of rolebindings.rbac.authorization.k8s.io.
var RoleBindings = New(bindingColumns(rbacv1.RoleBinding{}.SwaggerDoc()["roleRef"]), func(binding *rbacv1.RoleBinding) []any {
	users, groups, accounts := subjects(binding.Subjects)
	return []any{binding.Name, binding.RoleRef.Kind + "/" + binding.RoleRef.Name, age(binding), users, groups, accounts}
})

// ClusterRoleBindings are the columns of clusterrolebindings.rbac.authorization.k8s.io.
var ClusterRoleBindings = New(bindingColumns(rbacv1.ClusterRoleBinding{}.SwaggerDoc()["roleRef"]), func(binding *rbacv1.ClusterRoleBinding) []any {
	users, groups, accounts := subjects(binding.Subjects)
	return []any{binding.Name, binding.RoleRef.Kind + "/" + binding.RoleRef.Name, age(binding), users, groups, accounts}
})

func bindingColumns(roleDoc string) definitions {
	return definitions{
		nameColumn,
		text("Role", roleDoc),
		ageColumn,
		wide(text("Users", "The users who have the role")),
		wide(text("Groups", "The groups who have the role")),
		wide(text("ServiceAccounts", "The service accounts that have the role")),
	}
}

func subjects(all []rbacv1.Subject) (users, groups, accounts string) {
	var u, g, a []string
	for _, s := range all {
		switch s.Kind {
		case rbacv1.UserKind:
			u = append(u, s.Name)
		case rbacv1.GroupKind:
			g = append(g, s.Name)
		case rbacv1.ServiceAccountKind:
			a = append(a, s.Namespace+"/"+s.Name)
		}
	}
	return strings.Join(u, ", "), strings.Join(g, ", "), strings.Join(a, ", ")
}
