// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes/fake"
)

func TestEscalationGuardWantsAUser(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset())
	guard := NewEscalationGuard(a, a)
	if err := guard.Check(t.Context(), clusterRole("empty"), nil); !apierrors.IsForbidden(err) {
		t.Errorf("A role: got %v, want it forbidden", err)
	}
	if err := guard.Check(t.Context(), bindCluster("empty", "empty"), nil); !apierrors.IsForbidden(err) {
		t.Errorf("A binding: got %v, want it forbidden", err)
	}
}

func TestEscalationGuardWantsTheNamespaceOfTheRequest(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset())
	ctx := request.WithUser(t.Context(), &user.DefaultInfo{Name: "ann"})
	err := NewEscalationGuard(a, a).Check(ctx, bind("blue", "b", "Role", "reader"), nil)
	if !apierrors.IsBadRequest(err) {
		t.Errorf("got %v, want a bad request: the object's namespace may not be the one that was authorized", err)
	}
}

func TestEscalationGuardLetsOtherObjectsPass(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset())
	if err := NewEscalationGuard(a, a).Check(t.Context(), &corev1.Pod{}, nil); err != nil {
		t.Error(err)
	}
}

// A registry that knows the request but not the object's name may use these two.
func TestCheckRoleAndBindingNameTheRequest(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset(clusterRole("reader", mayDo("get", "secrets"))))
	guard := NewEscalationGuard(a, a)
	ctx := request.WithUser(t.Context(), &user.DefaultInfo{Name: "ann", Groups: []string{"dev"}})
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{IsResourceRequest: true, Name: "mine"})

	err := guard.CheckRole(ctx, []rbacv1.PolicyRule{mayDo("get,list", "secrets"), {Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}})
	want := `clusterroles.rbac.authorization.k8s.io "mine" is forbidden: user "ann" (groups ["dev"]) may not grant what it may not do itself: get /metrics; get,list secrets`
	if !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("CheckRole: got %v, want %s", err, want)
	}
	err = guard.CheckRole(request.WithNamespace(ctx, "blue"), []rbacv1.PolicyRule{mayDo("get", "secrets")})
	if !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `roles.`) {
		t.Errorf("CheckRole in a namespace: got %v, want it forbidden for roles", err)
	}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reader"}
	err = guard.CheckBinding(ctx, ref, "")
	if !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `clusterrolebindings.rbac.authorization.k8s.io "mine"`) {
		t.Errorf("CheckBinding: got %v, want it forbidden", err)
	}
	err = guard.CheckBinding(ctx, ref, "blue")
	if !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `rolebindings.rbac.authorization.k8s.io "mine"`) {
		t.Errorf("CheckBinding in a namespace: got %v, want it forbidden", err)
	}
	ref.Name = "missing"
	if err = guard.CheckBinding(ctx, ref, ""); !apierrors.IsNotFound(err) {
		t.Errorf("CheckBinding to a missing role: got %v, want not found", err)
	}
	ref.Kind = "Group"
	if err = guard.CheckBinding(ctx, ref, ""); err == nil {
		t.Error("CheckBinding to a group passed")
	}
}

func TestDescribeRulesIsBounded(t *testing.T) {
	var rules []rbacv1.PolicyRule
	for range 10 * maxDescribedRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{strings.Repeat("a", len(rules)+1)}})
	}
	got := describeRules(rules)
	if lines := strings.Count(got, "; ") + 1; lines != maxDescribedRules+1 || !strings.HasSuffix(got, "and 450 more") {
		t.Errorf("got %d lines, want %d and how many are missing", lines, maxDescribedRules)
	}
	if want := `get deployments.apps named ["a"]; `; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to begin with %s", got, want)
	}
}

// escalationObjects are what the writers of TestEscalationGuardAsKubeAPIServerDoes
// hold, and what they try to grant and to change.
func escalationObjects() []rbacObject {
	rbacGroup := []string{rbacv1.GroupName}
	withFinalizer := clusterRole("esc-target", mayDo("get", "secrets"))
	withFinalizer.Finalizers = []string{"example.com/wait"}
	aggregated := clusterRole("esc-aggregated")
	aggregated.AggregationRule = aggregateAll()
	return []rbacObject{
		clusterRole("esc-writer", rbacv1.PolicyRule{Verbs: []string{"get", "create", "update"}, APIGroups: rbacGroup, Resources: []string{"*"}}),
		clusterRole("esc-pods", mayDo("get", "pods")),
		clusterRole("esc-secrets", mayDo("get", "secrets")),
		clusterRole("esc-everything", everything...),
		clusterRole("esc-escalate", rbacv1.PolicyRule{Verbs: []string{"escalate"}, APIGroups: rbacGroup, Resources: []string{"roles", "clusterroles"}}),
		clusterRole("esc-escalate-named", rbacv1.PolicyRule{Verbs: []string{"escalate"}, APIGroups: rbacGroup, Resources: []string{"roles", "clusterroles"}, ResourceNames: []string{"esc-target"}}),
		clusterRole("esc-bind", rbacv1.PolicyRule{Verbs: []string{"bind"}, APIGroups: rbacGroup, Resources: []string{"clusterroles"}, ResourceNames: []string{"esc-secrets", "esc-missing"}}),
		clusterRole("esc-bind-roles", rbacv1.PolicyRule{Verbs: []string{"bind"}, APIGroups: rbacGroup, Resources: []string{"roles"}}),
		withFinalizer, aggregated,
		role("blue", "esc-target", mayDo("get", "secrets")),
		role("blue", "esc-secrets", mayDo("get", "secrets")),
		role("red", "esc-secrets", mayDo("get", "secrets")),
		bindCluster("esc-target", "esc-secrets", userSubject("x")),
		bind("blue", "esc-target", "ClusterRole", "esc-secrets", userSubject("x")),

		bindCluster("esc-writers", "esc-writer", groupSubject("writers")),
		bindCluster("esc-pods", "esc-pods", userSubject("has-pods")),
		bind("blue", "esc-pods", "ClusterRole", "esc-pods", userSubject("has-pods-in-blue")),
		bind("blue", "esc-secrets", "Role", "esc-secrets", userSubject("has-secrets-in-blue")),
		bindCluster("esc-everything", "esc-everything", userSubject("has-everything")),
		bindCluster("esc-escalate", "esc-escalate", userSubject("may-escalate")),
		bind("blue", "esc-escalate", "ClusterRole", "esc-escalate", userSubject("may-escalate-in-blue")),
		bindCluster("esc-escalate-named", "esc-escalate-named", userSubject("may-escalate-one")),
		bindCluster("esc-bind", "esc-bind", userSubject("may-bind")),
		bind("blue", "esc-bind", "ClusterRole", "esc-bind", userSubject("may-bind-in-blue")),
		bind("red", "esc-bind-roles", "ClusterRole", "esc-bind-roles", userSubject("may-bind-roles-in-red")),
	}
}

func aggregateAll() *rbacv1.AggregationRule {
	return &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"a": "b"}}}}
}

// escalationWrites are updates of the objects that exist, and creates of others.
func escalationWrites() map[string]rbacObject {
	labelled := clusterRole("esc-target", mayDo("get", "secrets"))
	labelled.Finalizers, labelled.Labels = []string{"example.com/wait"}, map[string]string{"a": "b"}
	owned := clusterRole("esc-target", mayDo("get", "secrets"))
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: "blue", UID: "1"}}
	newAggregated := clusterRole("esc-new")
	newAggregated.AggregationRule = aggregateAll()
	aggregating := clusterRole("esc-target", mayDo("get", "pods"))
	aggregating.AggregationRule = aggregateAll()
	named := mayDo("get", "pods")
	named.ResourceNames = []string{"a"}
	ownedBinding := bindCluster("esc-target", "esc-secrets", userSubject("x"))
	ownedBinding.Finalizers = []string{"example.com/wait"}
	return map[string]rbacObject{
		"create an empty role":                        clusterRole("esc-new"),
		"create a role for pods":                      clusterRole("esc-new", mayDo("get", "pods")),
		"create a role for a pod":                     clusterRole("esc-new", named),
		"create a role for logs":                      clusterRole("esc-new", mayDo("get", "pods/log")),
		"create a role for secrets":                   clusterRole("esc-new", mayDo("get", "secrets")),
		"create a role for everything":                clusterRole("esc-new", everything...),
		"create a role for a path":                    clusterRole("esc-new", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}}),
		"create an aggregated role":                   newAggregated,
		"create a role for pods in blue":              role("blue", "esc-new", mayDo("get", "pods")),
		"create a role for secrets in blue":           role("blue", "esc-new", mayDo("get", "secrets")),
		"create a role for secrets in red":            role("red", "esc-new", mayDo("get", "secrets")),
		"create a binding to pods":                    bindCluster("esc-new", "esc-pods", userSubject("x")),
		"create a binding to secrets":                 bindCluster("esc-new", "esc-secrets", userSubject("x")),
		"create a binding to a missing role":          bindCluster("esc-new", "esc-missing", userSubject("x")),
		"create a binding to an unknown missing role": bindCluster("esc-new", "esc-unknown", userSubject("x")),
		"create a binding to pods in blue":            bind("blue", "esc-new", "ClusterRole", "esc-pods", userSubject("x")),
		"create a binding to secrets in blue":         bind("blue", "esc-new", "ClusterRole", "esc-secrets", userSubject("x")),
		"create a binding to a role in blue":          bind("blue", "esc-new", "Role", "esc-secrets", userSubject("x")),
		"create a binding to a role in red":           bind("red", "esc-new", "Role", "esc-secrets", userSubject("x")),
		"create a binding to a missing role in blue":  bind("blue", "esc-new", "Role", "esc-missing", userSubject("x")),
		"update a role's rules to pods":               clusterRole("esc-target", mayDo("get", "pods")),
		"update a role's labels":                      labelled,
		"update a role's owners and finalizers":       owned,
		"update a role's aggregation":                 aggregating,
		"update a role's aggregation away":            clusterRole("esc-aggregated", mayDo("get", "pods")),
		"update a role in blue":                       role("blue", "esc-target", mayDo("get", "pods"), mayDo("get", "secrets")),
		"update a binding's subjects":                 bindCluster("esc-target", "esc-secrets", userSubject("y")),
		"update a binding's finalizers":               ownedBinding,
		"update a binding in blue":                    bind("blue", "esc-target", "ClusterRole", "esc-secrets"),
	}
}

// Each writer tries each write on the real server, dry, and on a guard.
func TestEscalationGuardAsKubeAPIServerDoes(t *testing.T) {
	admin := realClient(t)
	ours := follow(t, admin, escalationObjects())
	guard := NewEscalationGuard(ours, ours)
	for _, name := range []string{
		"has-nothing", "has-pods", "has-pods-in-blue", "has-secrets-in-blue", "has-everything", "may-escalate", "may-escalate-in-blue",
		"may-escalate-one", "may-bind", "may-bind-in-blue", "may-bind-roles-in-red", "master",
	} {
		u := &user.DefaultInfo{Name: name, Groups: []string{"writers", user.AllAuthenticated}}
		if name == "master" {
			u.Groups = []string{user.SystemPrivilegedGroup}
		}
		client := realClient(t, impersonate(u))
		t.Run(name, func(t *testing.T) {
			refused := 0
			for what, object := range escalationWrites() {
				was := existing(t, admin, object)
				if was != nil {
					object = edited(was, object)
				}
				ctx := requestContext(t.Context(), u, object, was)
				var got, theirs error
				// The real server may not have heard of all bindings yet.
				_ = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
					got, theirs = guard.Check(ctx, object, was), dryRun(ctx, client, object, was)
					return apierrors.ReasonForError(got) == apierrors.ReasonForError(theirs), nil
				})
				if apierrors.ReasonForError(got) != apierrors.ReasonForError(theirs) || (got == nil) != (theirs == nil) {
					t.Errorf("%s: got %v; kube-apiserver says %v", what, got, theirs)
				}
				if got != nil {
					refused++
				}
			}
			t.Logf("%d of %d refused", refused, len(escalationWrites()))
		})
	}
}

func requestContext(ctx context.Context, u user.Info, object, old rbacObject) context.Context {
	info := &request.RequestInfo{IsResourceRequest: true, APIGroup: rbacv1.GroupName, APIVersion: "v1", Verb: "create", Resource: resourceOf(object), Namespace: object.GetNamespace()}
	if old != nil {
		info.Verb, info.Name = "update", object.GetName()
	}
	return request.WithRequestInfo(request.WithNamespace(request.WithUser(ctx, u), object.GetNamespace()), info)
}
