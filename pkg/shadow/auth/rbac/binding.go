// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"
)

// binding is what a RoleBinding and a ClusterRoleBinding have in common. It shares
// the subjects of the object in the informer's store.
type binding struct {
	namespace, name string // no namespace: a ClusterRoleBinding
	role            rbacv1.RoleRef
	subjects        []rbacv1.Subject
}

func bindingOf(object any) (binding, bool) {
	switch b := object.(type) {
	case *rbacv1.ClusterRoleBinding:
		return binding{name: b.Name, role: b.RoleRef, subjects: b.Subjects}, true
	case *rbacv1.RoleBinding:
		return binding{namespace: b.Namespace, name: b.Name, role: b.RoleRef, subjects: b.Subjects}, true
	default:
		return binding{}, false
	}
}

// describe says by which binding, role and subject a user has a right, in
// kube-apiserver's words: they are in audit logs, and people search for them.
func (b *binding) describe(u user.Info) string {
	kind, name := "ClusterRoleBinding", b.name
	if b.namespace != "" {
		kind, name = "RoleBinding", b.name+"/"+b.namespace
	}
	return fmt.Sprintf("%s %q of %s %q to %s", kind, name, b.role.Kind, b.role.Name, b.describeSubject(u))
}

// describeSubject describes the first subject that the user is.
func (b *binding) describeSubject(u user.Info) string {
	for i := range b.subjects {
		s := &b.subjects[i]
		isUser := u.GetName() != "" && userOf(s, b.namespace) == u.GetName()
		isMember := s.Kind == rbacv1.GroupKind && slices.Contains(u.GetGroups(), s.Name)
		switch {
		case isUser && s.Kind == rbacv1.ServiceAccountKind && s.Namespace == "":
			return fmt.Sprintf("%s %q", s.Kind, s.Name+"/"+b.namespace)
		case isUser && s.Kind == rbacv1.ServiceAccountKind:
			return fmt.Sprintf("%s %q", s.Kind, s.Name+"/"+s.Namespace)
		case isUser, isMember:
			return fmt.Sprintf("%s %q", s.Kind, s.Name)
		}
	}
	return "nobody" // never, for a binding was found by one of its subjects
}
