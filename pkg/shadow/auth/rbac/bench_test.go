// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// BenchmarkAuthorize compares the index of subjects with looking at all bindings,
// with 60 ClusterRoleBindings and 50 RoleBindings in the namespace.
func BenchmarkAuthorize(b *testing.B) {
	a := newAuthorizer(b, fake.NewClientset(manyBindings()...))
	for _, c := range []struct {
		name string
		user user.Info
		want authorizer.Decision
	}{
		{"user", &user.DefaultInfo{Name: "user-49", Groups: []string{"system:authenticated"}}, authorizer.DecisionAllow},
		{"account", &user.DefaultInfo{
			Name:   "system:serviceaccount:kube-system:controller-59",
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
		}, authorizer.DecisionAllow},
		{"stranger", &user.DefaultInfo{Name: "eve", Groups: []string{"a", "b", "system:authenticated"}}, authorizer.DecisionNoOpinion},
	} {
		request := getPods("blue")
		request.User = c.user
		for name, authorize := range map[string]func() authorizer.Decision{
			"index": func() authorizer.Decision { d, _, _ := a.Authorize(b.Context(), request); return d },
			"scan":  func() authorizer.Decision { return scan(a, request) },
		} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if got := authorize(); got != c.want {
						b.Fatalf("got %v, want %v", got, c.want)
					}
				}
			})
		}
	}
}

// scan is what an authorizer without an index does.
func scan(a *Authorizer, request authorizer.AttributesRecord) authorizer.Decision {
	inNamespace, err := a.source.roleBindings.ByIndex(cache.NamespaceIndex, request.Namespace)
	if err != nil {
		return authorizer.DecisionDeny
	}
	for _, object := range append(a.source.clusterRoleBindings.List(), inNamespace...) {
		binding, _ := bindingOf(object)
		if !slices.ContainsFunc(binding.subjects, func(s rbacv1.Subject) bool {
			switch s.Kind {
			case rbacv1.UserKind:
				return s.Name == request.User.GetName()
			case rbacv1.GroupKind:
				return slices.Contains(request.User.GetGroups(), s.Name)
			default:
				return serviceaccount.MatchesUsername(cmp.Or(s.Namespace, binding.namespace), s.Name, request.User.GetName())
			}
		}) {
			continue
		}
		rules, err := a.source.rulesOf(binding.role, binding.namespace)
		for i := range rules {
			if err == nil && RuleAllows(request, &rules[i]) {
				return authorizer.DecisionAllow
			}
		}
	}
	return authorizer.DecisionNoOpinion
}

// manyBindings are as many as kube-apiserver makes at first, and 50 for people.
func manyBindings() []runtime.Object {
	objects := []runtime.Object{clusterRole("reader", mayDo("get", "pods"))}
	for i := range 60 {
		objects = append(objects, bindCluster(fmt.Sprint("system-", i), "reader", accountSubject("kube-system", fmt.Sprint("controller-", i))))
	}
	for i := range 50 {
		objects = append(objects, bind("blue", fmt.Sprint("people-", i), "ClusterRole", "reader", userSubject(fmt.Sprint("user-", i)), groupSubject(fmt.Sprint("group-", i))))
	}
	return objects
}
