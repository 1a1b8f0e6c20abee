// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
)

// The roles and bindings of these tests, beside those that a new cluster has.
func sampleObjects() []rbacObject {
	return []rbacObject{
		clusterRole("diff-nodes", rbacv1.PolicyRule{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"nodes", "nodes/*", "*/status"}}),
		clusterRole("diff-scale", rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*/scale"}}),
		clusterRole("diff-named", rbacv1.PolicyRule{Verbs: []string{"get", "update", "escalate"}, APIGroups: []string{"", "apps"}, Resources: []string{"secrets", "deployments"}, ResourceNames: []string{"a", "*"}}),
		clusterRole("diff-paths", rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics", "/logs/*", "/a*"}}),
		clusterRole("diff-all-paths", rbacv1.PolicyRule{Verbs: []string{"post"}, NonResourceURLs: []string{"*"}}),
		clusterRole("diff-empty"),
		role("blue", "diff-all", rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}),
		role("blue", "diff-pods", mayDo("get,list,watch", "pods", "pods/log"), mayDo("create", "pods/exec")),
		role("red", "diff-pods", mayDo("delete", "pods")),
		role("red", "diff-apps", rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{"apps", "batch"}, Resources: []string{"*"}}),
		bindCluster("diff-nodes", "diff-nodes", userSubject("ann"), groupSubject("ops")),
		bindCluster("diff-scale", "diff-scale", accountSubject("blue", "robot"), userSubject("*")),
		bindCluster("diff-named", "diff-named", groupSubject("dev"), groupSubject("ops")),
		bindCluster("diff-paths", "diff-paths", groupSubject("dev"), userSubject("system:serviceaccount:red:robot")),
		bindCluster("diff-all-paths", "diff-all-paths", userSubject("bob")),
		bindCluster("diff-dangling", "diff-missing", userSubject("ann"), userSubject("cid"), groupSubject("dev")),
		bindCluster("diff-empty", "diff-empty", userSubject("cid")),
		bindCluster("diff-nobody", "diff-nodes"),
		bind("blue", "diff-all", "Role", "diff-all", accountSubject("red", "robot"), userSubject("bob")),
		bind("blue", "diff-pods", "Role", "diff-pods", accountSubject("blue", "robot"), groupSubject("dev")),
		bind("blue", "diff-missing", "Role", "diff-apps", userSubject("cid"), userSubject("ann")),
		bind("red", "diff-pods", "Role", "diff-pods", groupSubject("system:serviceaccounts:blue"), userSubject("ann")),
		bind("red", "diff-nodes", "ClusterRole", "diff-nodes", userSubject("cid")),
		bind("red", "diff-apps", "Role", "diff-apps", groupSubject("dev")),
		bind("red", "diff-admin", "ClusterRole", "cluster-admin", userSubject("bob")),
	}
}

func sampleUsers() []user.Info {
	who := func(name string, groups ...string) user.Info {
		return &user.DefaultInfo{Name: name, Groups: append(groups, user.AllAuthenticated)}
	}
	account := func(namespace, name string) user.Info {
		return who("system:serviceaccount:"+namespace+":"+name, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	}
	return []user.Info{
		who("ann"), who("bob"), who("cid"), who("eve"), who("*"), who("ann", "dev"), who("eve", "dev"), who("fay", "ops", "dev"),
		account("blue", "robot"), account("red", "robot"), account("kube-system", "default"), account("kube-system", "deployment-controller"),
		account("kube-system", "generic-garbage-collector"), account("kube-system", "namespace-controller"),
		who(user.KubeScheduler), who(user.KubeControllerManager), who(user.KubeProxy), who("root", user.SystemPrivilegedGroup),
		who("system:monitoring", user.MonitoringGroup),
	}
}

func TestAuthorizeAsKubeAPIServerDoes(t *testing.T) {
	client := realClient(t)
	ours := follow(t, client, sampleObjects())
	requests := randomRequests(t, ours, 4000)
	var group errgroup.Group
	group.SetLimit(8)
	decisions := make([]bool, len(requests))
	for i, request := range requests {
		group.Go(func() error {
			var err error
			decisions[i], err = compareDecisions(t.Context(), client, ours, request)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	allowed := 0
	for _, d := range decisions {
		if d {
			allowed++
		}
	}
	if allowed < len(requests)/10 || allowed > len(requests)*9/10 {
		t.Errorf("%d of %d requests are allowed: the requests do not try much", allowed, len(requests))
	}
	t.Logf("%d of %d requests are allowed", allowed, len(requests))
}

// compareDecisions asks both, until they agree or the real server has had the time
// to hear of all objects.
func compareDecisions(ctx context.Context, client kubernetes.Interface, ours *Authorizer, request authorizer.AttributesRecord) (bool, error) {
	review := accessReview(request)
	var last error
	allowed := false
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		theirs, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		decision, reason, err := ours.Authorize(ctx, request)
		if err != nil {
			return false, err
		}
		allowed = decision == authorizer.DecisionAllow
		if allowed != theirs.Status.Allowed {
			last = fmt.Errorf("%+v: we say %t (%s), kube-apiserver says %t (%s)", review.Spec, allowed, reason, theirs.Status.Allowed, theirs.Status.Reason)
			return false, nil
		}
		// Which of several bindings allows is up to chance.
		if !allowed && sortedParts(reason) != sortedParts(theirs.Status.Reason) {
			last = fmt.Errorf("%+v: our reason is %q, kube-apiserver's is %q", review.Spec, reason, theirs.Status.Reason)
			return false, nil
		}
		return true, nil
	})
	if wait.Interrupted(err) && last != nil {
		return allowed, last
	}
	return allowed, err
}

// sortedParts makes reasons comparable that name several missing roles.
func sortedParts(reason string) string {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(reason, "RBAC: "), "[]"), ", ")
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func accessReview(r authorizer.AttributesRecord) *authorizationv1.SubjectAccessReview {
	spec := authorizationv1.SubjectAccessReviewSpec{User: r.User.GetName(), Groups: r.User.GetGroups()}
	if r.ResourceRequest {
		spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Namespace: r.Namespace, Verb: r.Verb, Group: r.APIGroup, Resource: r.Resource, Subresource: r.Subresource, Name: r.Name,
		}
	} else {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: r.Path, Verb: r.Verb}
	}
	return &authorizationv1.SubjectAccessReview{Spec: spec}
}

// randomRequests returns requests near the rules that exist: most are made from one
// of the user's rules, or of any, with one thing changed.
func randomRequests(t *testing.T, a *Authorizer, n int) []authorizer.AttributesRecord {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("The seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string {
		if len(from) == 0 {
			return ""
		}
		return from[random.IntN(len(from))]
	}
	var anyRules []rbacv1.PolicyRule
	all, err := a.source.clusterRoles.List(labels.Everything())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		anyRules = append(anyRules, r.Rules...)
	}
	var requests []authorizer.AttributesRecord
	for len(requests) < n {
		u := sampleUsers()[random.IntN(len(sampleUsers()))]
		namespace := pick([]string{"", "blue", "red", "kube-system", "green"})
		rules, _ := a.policyRules(u, namespace) // roles are missing on purpose
		if len(rules) == 0 || random.IntN(3) == 0 {
			rules = anyRules
		}
		rule := rules[random.IntN(len(rules))]
		r := authorizer.AttributesRecord{User: u, Verb: pick(rule.Verbs)}
		if random.IntN(6) == 0 {
			r.Verb = pick([]string{"get", "*", "create", "deletecollection", "bind", "post", ""})
		}
		if len(rule.NonResourceURLs) > 0 {
			r.Path = strings.Replace(pick(rule.NonResourceURLs), "*", pick([]string{"", "x", "x/y", "*"}), 1)
			if random.IntN(4) == 0 {
				r.Path = pick([]string{"/", "/metrics", "/logs", "/logs/x", "/about", "/api", "/apis/apps", "/version"})
			}
			requests = append(requests, r)
			continue
		}
		r.ResourceRequest, r.Namespace, r.APIGroup, r.Name = true, namespace, pick(rule.APIGroups), pick(rule.ResourceNames)
		r.Resource, r.Subresource, _ = strings.Cut(pick(rule.Resources), "/")
		if r.Resource == "*" {
			r.Resource = pick([]string{"pods", "widgets", "*"})
		}
		switch random.IntN(8) {
		case 0:
			r.Resource = pick([]string{"pods", "secrets", "nodes", "deployments", "widgets", "*"})
		case 1:
			r.Subresource = pick([]string{"", "status", "log", "scale", "exec", "*"})
		case 2:
			r.Name = pick([]string{"", "a", "b", "*"})
		case 3:
			r.APIGroup = pick([]string{"", "apps", "example.com", "*"})
		}
		requests = append(requests, r)
	}
	return requests
}

func TestRulesForAsKubeAPIServerDoes(t *testing.T) {
	ours := follow(t, realClient(t), sampleObjects())
	for _, u := range sampleUsers() {
		client := realClient(t, impersonate(u))
		for _, namespace := range []string{"blue", "red", "default"} {
			err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
				review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
					Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
				}, metav1.CreateOptions{})
				if err != nil {
					return false, err
				}
				resources, paths, incomplete, resolveErr := ours.RulesFor(ctx, u, namespace)
				if review.Status.Incomplete != incomplete && resolveErr == nil {
					return false, fmt.Errorf("kube-apiserver's answer is incomplete: %s", review.Status.EvaluationError)
				}
				if (review.Status.EvaluationError != "") != (resolveErr != nil) {
					return false, fmt.Errorf("our error is %w, kube-apiserver's is %q", cmp.Or(resolveErr, errors.New("none")), review.Status.EvaluationError)
				}
				return slices.Equal(ourRules(resources, paths), theirRules(&review.Status)), nil
			})
			if err != nil {
				t.Errorf("The rules of %s (%q) in %s: %v", u.GetName(), u.GetGroups(), namespace, err)
			}
		}
	}
}

func ourRules(resources []authorizer.ResourceRuleInfo, paths []authorizer.NonResourceRuleInfo) []string {
	var all []string
	for _, r := range resources {
		all = append(all, fmt.Sprintf("%q", [][]string{r.GetVerbs(), r.GetAPIGroups(), r.GetResources(), r.GetResourceNames()}))
	}
	for _, r := range paths {
		all = append(all, fmt.Sprintf("%q", [][]string{r.GetVerbs(), r.GetNonResourceURLs()}))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func theirRules(status *authorizationv1.SubjectRulesReviewStatus) []string {
	var all []string
	for _, r := range status.ResourceRules {
		all = append(all, fmt.Sprintf("%q", [][]string{r.Verbs, r.APIGroups, r.Resources, r.ResourceNames}))
	}
	for _, r := range status.NonResourceRules {
		all = append(all, fmt.Sprintf("%q", [][]string{r.Verbs, r.NonResourceURLs}))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
