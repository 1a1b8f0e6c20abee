// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// newAuthorizer returns an authorizer that follows a client, and has synced.
func newAuthorizer(t testing.TB, client kubernetes.Interface) *Authorizer {
	t.Helper()
	factory := informers.NewSharedInformerFactory(client, 0)
	source, err := NewSource(factory.Rbac().V1())
	if err != nil {
		t.Fatal(err)
	}
	a := NewAuthorizer(source)
	ctx, cancel := context.WithCancel(context.Background())
	factory.StartWithContext(ctx)
	t.Cleanup(func() {
		cancel()
		factory.Shutdown()
	})
	if !cache.WaitForCacheSync(ctx.Done(), a.HasSynced) {
		t.Fatal("The informers did not sync")
	}
	return a
}

func role(namespace, name string, rules ...rbacv1.PolicyRule) *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Rules: rules}
}

func clusterRole(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
}

func bind(namespace, name, kind, to string, subjects ...rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: to},
	}
}

func bindCluster(name, to string, subjects ...rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: to},
	}
}

func userSubject(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
}

func groupSubject(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: name}
}

func accountSubject(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
}

// mayDo allows verbs, with commas between, on resources of the core group.
func mayDo(verbs string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Split(verbs, ","), APIGroups: []string{""}, Resources: resources}
}

func getPods(namespace string) authorizer.AttributesRecord {
	return authorizer.AttributesRecord{Verb: "get", Resource: "pods", Namespace: namespace, Name: "a", ResourceRequest: true}
}

func TestAuthorize(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset(
		clusterRole("reader", mayDo("get", "pods")),
		role("blue", "reader", mayDo("get", "pods")),
		bindCluster("everywhere", "reader", userSubject("ann"), groupSubject("readers"), accountSubject("blue", "robot")),
		bindCluster("dangling", "missing", userSubject("ann"), userSubject("dan")),
		bindCluster("nowhere", "reader", accountSubject("", "orphan")),
		bind("blue", "by-role", "Role", "reader", userSubject("bob"), accountSubject("", "local")),
		bind("blue", "by-clusterrole", "ClusterRole", "reader", groupSubject("blues"), accountSubject("red", "visitor")),
		bind("red", "elsewhere", "Role", "reader", userSubject("bob")),
		bind("red", "odd", "Group", "reader", userSubject("odo")),
	))
	who := func(name string, groups ...string) user.Info { return &user.DefaultInfo{Name: name, Groups: groups} }
	const yes, no = authorizer.DecisionAllow, authorizer.DecisionNoOpinion
	for _, c := range []struct {
		name   string
		user   user.Info
		in     string
		want   authorizer.Decision
		reason string // all of it
	}{
		{"user by a ClusterRoleBinding", who("ann"), "blue", yes, `RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "reader" to User "ann"`},
		{"user by a ClusterRoleBinding in no namespace", who("ann"), "", yes, `RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "reader" to User "ann"`},
		{"group by a ClusterRoleBinding", who("eve", "x", "readers"), "red", yes, `RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "reader" to Group "readers"`},
		{"service account by a ClusterRoleBinding", who("system:serviceaccount:blue:robot"), "red", yes, `RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "reader" to ServiceAccount "robot/blue"`},
		{"service account of another namespace", who("system:serviceaccount:red:robot"), "red", no, ""},
		{"service account without a namespace in a ClusterRoleBinding", who("system:serviceaccount::orphan"), "red", no, ""},
		{"user by a RoleBinding to a Role", who("bob"), "blue", yes, `RBAC: allowed by RoleBinding "by-role/blue" of Role "reader" to User "bob"`},
		{"the same user in no namespace", who("bob"), "", no, ""},
		{"a role of the same name in another namespace", who("bob"), "red", no, `RBAC: role.rbac.authorization.k8s.io "reader" not found`},
		{
			"service account by the namespace of the RoleBinding", who("system:serviceaccount:blue:local"), "blue", yes,
			`RBAC: allowed by RoleBinding "by-role/blue" of Role "reader" to ServiceAccount "local/blue"`,
		},
		{
			"group by a RoleBinding to a ClusterRole", who("eve", "blues"), "blue", yes,
			`RBAC: allowed by RoleBinding "by-clusterrole/blue" of ClusterRole "reader" to Group "blues"`,
		},
		{"the same group elsewhere", who("eve", "blues"), "red", no, ""},
		{
			"service account of another namespace by a RoleBinding", who("system:serviceaccount:red:visitor"), "blue", yes,
			`RBAC: allowed by RoleBinding "by-clusterrole/blue" of ClusterRole "reader" to ServiceAccount "visitor/red"`,
		},
		{"user with the name of a group", who("readers"), "red", no, ""},
		{"group with the name of a user", who("eve", "ann"), "red", no, ""},
		{"binding to a missing role alone", who("dan"), "red", no, `RBAC: clusterrole.rbac.authorization.k8s.io "missing" not found`},
		{"binding to something else than a role", who("odo"), "red", no, `RBAC: a binding must refer to a Role or a ClusterRole, not to a "Group"`},
		{"user without a name", who(""), "red", no, ""},
		{"stranger", who("eve", "strangers"), "blue", no, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := getPods(c.in)
			request.User = c.user
			decision, reason, err := a.Authorize(t.Context(), request)
			if err != nil || decision != c.want || reason != c.reason {
				t.Errorf("got %v, %q, %v; want %v, %q", decision, reason, err, c.want, c.reason)
			}
		})
	}
}

func TestAuthorizeWithoutAUser(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset())
	if decision, _, err := a.Authorize(t.Context(), getPods("blue")); decision != authorizer.DecisionNoOpinion || err == nil {
		t.Errorf("got %v, %v; want no opinion and an error", decision, err)
	}
}

// Before all roles are known a refusal would be a guess, but what is known holds.
func TestAuthorizeBeforeTheSync(t *testing.T) {
	synced := false
	a := newAuthorizer(t, fake.NewClientset(clusterRole("reader", mayDo("get", "pods")), bindCluster("b", "reader", userSubject("ann"))))
	a.source.synced = append(a.source.synced, func() bool { return synced })
	request := getPods("blue")

	request.User = &user.DefaultInfo{Name: "ann"}
	if decision, _, err := a.Authorize(t.Context(), request); decision != authorizer.DecisionAllow || err != nil {
		t.Errorf("With a known binding: got %v, %v; want it allowed", decision, err)
	}
	request.User = &user.DefaultInfo{Name: "eve"}
	if decision, _, err := a.Authorize(t.Context(), request); decision != authorizer.DecisionNoOpinion || !errors.Is(err, errNotSynced) {
		t.Errorf("Without: got %v, %v; want an error", decision, err)
	}
	if _, _, _, err := a.RulesFor(t.Context(), request.User, "blue"); err == nil {
		t.Error("RulesFor gave an incomplete answer for a complete one")
	}
	synced = true
	if decision, _, err := a.Authorize(t.Context(), request); decision != authorizer.DecisionNoOpinion || err != nil {
		t.Errorf("After the sync: got %v, %v; want no opinion", decision, err)
	}
}

func TestAuthorizeFollowsChanges(t *testing.T) {
	client := fake.NewClientset(role("blue", "reader"))
	a := newAuthorizer(t, client)
	request := getPods("blue")
	request.User = &user.DefaultInfo{Name: "ann"}
	wantDecision := func(after string, want authorizer.Decision) {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			decision, _, err := a.Authorize(ctx, request)
			return decision == want, err
		})
		if err != nil {
			t.Fatalf("After %s: %v", after, err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rbac := client.RbacV1()
	binding := bind("blue", "b", "Role", "reader", userSubject("ann"))

	_, err := rbac.RoleBindings("blue").Create(t.Context(), binding, metav1.CreateOptions{})
	check(err)
	_, err = rbac.Roles("blue").Update(t.Context(), role("blue", "reader", mayDo("get", "pods")), metav1.UpdateOptions{})
	check(err)
	wantDecision("binding and role", authorizer.DecisionAllow)

	other := binding.DeepCopy()
	other.Subjects = []rbacv1.Subject{userSubject("bob")}
	_, err = rbac.RoleBindings("blue").Update(t.Context(), other, metav1.UpdateOptions{})
	check(err)
	wantDecision("taking the user out of the binding", authorizer.DecisionNoOpinion)

	_, err = rbac.RoleBindings("blue").Update(t.Context(), binding, metav1.UpdateOptions{})
	check(err)
	wantDecision("putting the user back", authorizer.DecisionAllow)

	check(rbac.RoleBindings("blue").Delete(t.Context(), "b", metav1.DeleteOptions{}))
	wantDecision("deleting the binding", authorizer.DecisionNoOpinion)
}

func TestRulesForNamesEachBindingOnce(t *testing.T) {
	a := newAuthorizer(t, fake.NewClientset(
		clusterRole("reader", mayDo("get", "pods"), rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/version"}}),
		bindCluster("twice", "reader", userSubject("ann"), groupSubject("readers"), groupSubject("staff")),
		bindCluster("dangling", "missing", userSubject("ann")),
	))
	resources, paths, incomplete, err := a.RulesFor(t.Context(), &user.DefaultInfo{Name: "ann", Groups: []string{"readers", "staff"}}, "blue")
	if len(resources) != 1 || len(paths) != 1 || incomplete {
		t.Errorf("got %d rules of resources and %d of paths, incomplete %t; want one of each, complete", len(resources), len(paths), incomplete)
	}
	if err == nil || !strings.Contains(err.Error(), `"missing" not found`) {
		t.Errorf("got the error %v, want the missing role", err)
	}
}

func TestNewSourceOfAStoppedInformer(t *testing.T) {
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	informer := factory.Rbac().V1().RoleBindings().Informer()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	informer.RunWithContext(ctx)
	if _, err := NewSource(factory.Rbac().V1()); err == nil {
		t.Error("got a source that follows nothing")
	}
}
