// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_ClusterRoleBinding refers to a role of this API group.
func SetDefaults_ClusterRoleBinding(binding *rbacv1.ClusterRoleBinding) {
	fill.Zero(&binding.RoleRef.APIGroup, rbacv1.GroupName)
}

// SetDefaults_RoleBinding refers to a role of this API group.
func SetDefaults_RoleBinding(binding *rbacv1.RoleBinding) {
	fill.Zero(&binding.RoleRef.APIGroup, rbacv1.GroupName)
}

// SetDefaults_Subject finds users and groups in this API group. Service
// accounts are in the one without a name.
func SetDefaults_Subject(subject *rbacv1.Subject) {
	if subject.Kind == rbacv1.UserKind || subject.Kind == rbacv1.GroupKind {
		fill.Zero(&subject.APIGroup, rbacv1.GroupName)
	}
}
