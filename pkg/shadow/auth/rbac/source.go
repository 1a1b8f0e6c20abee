// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	rbacinformers "k8s.io/client-go/informers/rbac/v1"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
)

// The indices of bindings by their subjects. A service account is indexed as the
// user that it is. The values are names; those of RoleBindings have the binding's
// namespace in front.
const (
	byUser  = "steppe.io/rbac-user"
	byGroup = "steppe.io/rbac-group"
)

// Source is where an Authorizer finds roles and bindings. NewSource makes it.
type Source struct {
	roles               rbaclisters.RoleLister
	clusterRoles        rbaclisters.ClusterRoleLister
	roleBindings        cache.Indexer
	clusterRoleBindings cache.Indexer
	synced              []cache.InformerSynced
}

// NewSource returns a source that is as current as these informers. It gives the
// bindings' informers an index of subjects; the caller starts them, before or
// after. It fails if an informer has been stopped, or is in another source
// already.
func NewSource(informers rbacinformers.Interface) (Source, error) {
	roles, clusterRoles := informers.Roles(), informers.ClusterRoles()
	roleBindings, clusterRoleBindings := informers.RoleBindings().Informer(), informers.ClusterRoleBindings().Informer()
	if err := roleBindings.AddIndexers(subjectIndexers); err != nil {
		return Source{}, fmt.Errorf("index rolebindings by subject: %w", err)
	}
	if err := clusterRoleBindings.AddIndexers(subjectIndexers); err != nil {
		return Source{}, fmt.Errorf("index clusterrolebindings by subject: %w", err)
	}
	return Source{
		roles:               roles.Lister(),
		clusterRoles:        clusterRoles.Lister(),
		roleBindings:        roleBindings.GetIndexer(),
		clusterRoleBindings: clusterRoleBindings.GetIndexer(),
		synced: []cache.InformerSynced{
			roles.Informer().HasSynced, clusterRoles.Informer().HasSynced, roleBindings.HasSynced, clusterRoleBindings.HasSynced,
		},
	}, nil
}

// hasSynced tells whether everything that there was at the start is known.
func (s *Source) hasSynced() bool {
	for _, synced := range s.synced {
		if !synced() {
			return false
		}
	}
	return true
}

// rulesOf returns the rules of the role that a binding in a namespace, or in
// none, refers to.
func (s *Source) rulesOf(ref rbacv1.RoleRef, namespace string) ([]rbacv1.PolicyRule, error) {
	switch ref.Kind {
	case "Role":
		role, err := s.roles.Roles(namespace).Get(ref.Name)
		if err != nil {
			return nil, err
		}
		return role.Rules, nil
	case "ClusterRole":
		role, err := s.clusterRoles.Get(ref.Name)
		if err != nil {
			return nil, err
		}
		return role.Rules, nil
	default:
		return nil, fmt.Errorf("a binding must refer to a Role or a ClusterRole, not to a %q", ref.Kind)
	}
}

var subjectIndexers = cache.Indexers{
	byUser:  func(object any) ([]string, error) { return indexValues(object, userOf), nil },
	byGroup: func(object any) ([]string, error) { return indexValues(object, groupOf), nil },
}

func indexValues(object any, nameOf func(subject *rbacv1.Subject, namespace string) string) []string {
	b, ok := bindingOf(object)
	if !ok {
		return nil
	}
	var values []string
	for i := range b.subjects {
		if name := nameOf(&b.subjects[i], b.namespace); name != "" {
			values = append(values, indexValue(b.namespace, name))
		}
	}
	return values
}

// indexValue is where bindings in a namespace, or in none, are found by the name
// of a subject. No namespace has a slash in its name.
func indexValue(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// userOf returns the name of the user that a subject is, or "" if it is none. A
// service account without a namespace is one of the binding's.
func userOf(subject *rbacv1.Subject, namespace string) string {
	switch subject.Kind {
	case rbacv1.UserKind:
		return subject.Name
	case rbacv1.ServiceAccountKind:
		if subject.Namespace != "" {
			namespace = subject.Namespace
		}
		if namespace == "" {
			return ""
		}
		return serviceaccount.MakeUsername(namespace, subject.Name)
	default:
		return ""
	}
}

// groupOf returns the name of the group that a subject is, or "" if it is none.
func groupOf(subject *rbacv1.Subject, _ string) string {
	if subject.Kind == rbacv1.GroupKind {
		return subject.Name
	}
	return ""
}
