// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
)

// question is about one resource: all its combinations are asked, each with all
// verbs and of all users.
type question struct {
	group, resource string
	subresources    []string
	namespaces      []string
	names           []string
	selectors       []string
}

func questions() []question {
	none := []string{""}
	namespaced := []string{"", "blue", "red"}
	var configs, claims, volumeNames, resourceClaimNames, accounts []string
	for _, pod := range []string{"pod-a", "pod-b"} {
		for _, k := range mentionedKinds {
			configs = append(configs, k+"-"+pod)
		}
		claims = append(claims, "claim-"+pod, pod+"-ephemeral", pod+"-empty")
		volumeNames = append(volumeNames, "claim-"+pod, pod+"-ephemeral", "again-"+pod, "free-"+pod)
		resourceClaimNames = append(resourceClaimNames, "direct-"+pod, "templated-"+pod, "pending-"+pod, "extended-"+pod)
		accounts = append(accounts, "account-"+pod)
	}
	configs = append(configs, "", "secret-unbound", "config-mirror")
	return []question{
		{"", "secrets", []string{""}, namespaced, configs, none},
		{"", "configmaps", []string{""}, namespaced, configs, none},
		{"", "secrets", []string{"status"}, namespaced, []string{"", "secret-pod-a"}, []string{"", "metadata.name=secret-pod-a"}},
		{"", "serviceaccounts", []string{"", "token", "status"}, namespaced, append(accounts, "", "default", "missing"), none},
		{"", "persistentvolumeclaims", []string{"", "status", "finalize"}, namespaced, append(claims, ""), none},
		{"", "persistentvolumes", []string{"", "status"}, []string{"", "blue"}, append(volumeNames, "", "missing"), none},
		{"resource.k8s.io", "resourceclaims", []string{"", "status"}, namespaced, append(resourceClaimNames, ""), none},
		{"resource.k8s.io", "resourceslices", []string{"", "status"}, []string{"", "blue"}, []string{"", "slice-pod-a", "slice-pod-b", "slice-all", "missing"},
			[]string{"", "spec.nodeName=a", "spec.nodeName=b", "spec.nodeName!=a", "spec.nodeName==a,spec.driver=x"}},
		{"storage.k8s.io", "volumeattachments", []string{"", "status"}, []string{"", "blue"}, []string{"", "attachment-pod-a", "attachment-pod-b", "missing"}, none},
		{"storage.k8s.io", "csinodes", []string{"", "status"}, none, []string{"", "a", "b", "ghost"}, none},
		{"coordination.k8s.io", "leases", []string{"", "status"}, []string{"", "kube-node-lease", "kube-system"}, []string{"", "a", "b", "ghost"}, none},
		{"", "nodes", []string{"", "status", "proxy", "log"}, none, []string{"", "a", "b", "ghost"}, []string{"", "metadata.name=a"}},
		{"", "pods", []string{"status", "eviction", "log", "exec", "binding", "ephemeralcontainers", "resize"}, namespaced, []string{"", "pod-a", "pod-b", "unbound", "mirror", "missing"}, none},
		{"", "pods", none, namespaced, []string{"", "pod-a", "pod-b", "unbound", "mirror", "missing"},
			[]string{"", "spec.nodeName=a", "spec.nodeName=b", "spec.nodeName!=a", "spec.nodeName=a,status.phase=Running", "status.phase=Running"}},
		{"certificates.k8s.io", "certificatesigningrequests", []string{"", "status", "approval", "nodeclient", "selfnodeclient"}, none, []string{"", "x"}, none},
		{"certificates.k8s.io", "podcertificaterequests", []string{"", "status"}, []string{"blue"}, []string{"", "x"}, []string{"", "spec.nodeName=a"}},
		{"certificates.k8s.io", "clustertrustbundles", none, none, []string{"", "x"}, none},
		{"authentication.k8s.io", "tokenreviews", none, none, none, none},
		{"authorization.k8s.io", "subjectaccessreviews", none, none, none, none},
		{"authorization.k8s.io", "localsubjectaccessreviews", none, namespaced, none, none},
		{"authorization.k8s.io", "selfsubjectrulesreviews", none, none, none, none},
		{"apps", "secrets", none, []string{"blue"}, []string{"secret-pod-a"}, none},
		{"apps", "deployments", none, namespaced, []string{"", "x"}, none},
		{"", "services", []string{"", "status", "proxy"}, namespaced, []string{"", "x"}, none},
		{"", "endpoints", none, namespaced, []string{"", "x"}, none},
		{"", "namespaces", none, none, []string{"", "blue"}, none},
		{"", "events", none, namespaced, []string{"", "x"}, none},
		{"events.k8s.io", "events", none, namespaced, []string{"", "x"}, none},
		{"node.k8s.io", "runtimeclasses", none, none, []string{"", "x"}, none},
		{"storage.k8s.io", "csidrivers", []string{"", "status"}, none, []string{"", "x"}, none},
		{"storage.k8s.io", "storageclasses", none, none, []string{"", "x"}, none},
		{"discovery.k8s.io", "endpointslices", none, namespaced, []string{"", "x"}, none},
		{"rbac.authorization.k8s.io", "clusterroles", none, none, []string{"", "x"}, none},
		{"*", "*", none, namespaced, none, none},
	}
}

var allVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "*"}

// kubelets are asked about as the real authorizer sees them: without the group of
// all authenticated users, to which RBAC gives some rights.
func kubelets() []user.Info {
	return []user.Info{
		&user.DefaultInfo{Name: "system:node:a", Groups: []string{user.NodesGroup}},
		&user.DefaultInfo{Name: "system:node:b", Groups: []string{"x", user.NodesGroup}},
		&user.DefaultInfo{Name: "system:node:ghost", Groups: []string{user.NodesGroup}},
	}
}

func (q question) ask(each func(authorizer.AttributesRecord)) {
	for _, u := range kubelets() {
		for _, subresource := range q.subresources {
			for _, namespace := range q.namespaces {
				for _, name := range q.names {
					for _, selector := range q.selectors {
						for _, verb := range allVerbs {
							each(q.request(u, verb, subresource, namespace, name, selector))
						}
					}
				}
			}
		}
	}
}

func (q question) request(u user.Info, verb, subresource, namespace, name, selector string) authorizer.AttributesRecord {
	r := authorizer.AttributesRecord{
		User: u, Verb: verb, APIGroup: q.group, Resource: q.resource, Subresource: subresource, Namespace: namespace, Name: name, ResourceRequest: true,
	}
	if selector != "" {
		r.FieldSelectorRequirements = fields.ParseSelectorOrDie(selector).Requirements()
	}
	return r
}

func TestAuthorizeAsKubeAPIServerDoes(t *testing.T) {
	client := realClient(t)
	createSample(t, client)
	ours := NewAuthorizer(follow(t, client))
	for _, q := range questions() {
		t.Run(q.group+"/"+q.resource, func(t *testing.T) {
			var group errgroup.Group
			group.SetLimit(8)
			asked := 0
			q.ask(func(r authorizer.AttributesRecord) {
				asked++
				group.Go(func() error { return compareDecisions(t.Context(), client, ours, r) })
			})
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			t.Logf("%d questions", asked)
		})
	}
}

func TestAuthorizeOthersAsKubeAPIServerDoes(t *testing.T) {
	client := realClient(t)
	createSample(t, client)
	ours := NewAuthorizer(follow(t, client))
	for _, u := range []user.Info{
		&user.DefaultInfo{Name: "system:node:a"},
		&user.DefaultInfo{Name: "system:node:a", Groups: []string{"system:node"}},
		&user.DefaultInfo{Name: "system:node:", Groups: []string{user.NodesGroup}},
		&user.DefaultInfo{Name: "system:node", Groups: []string{user.NodesGroup}},
		&user.DefaultInfo{Name: "a", Groups: []string{user.NodesGroup}},
		&user.DefaultInfo{Name: "system:node:A", Groups: []string{user.NodesGroup}},
	} {
		for _, r := range []authorizer.AttributesRecord{
			{Verb: "get", Resource: "secrets", Namespace: "blue", Name: "secret-pod-a", ResourceRequest: true},
			{Verb: "get", Resource: "nodes", Name: "a", ResourceRequest: true},
			{Verb: "create", Resource: "nodes", ResourceRequest: true},
			{Verb: "list", Resource: "services", ResourceRequest: true},
			{Verb: "get", Path: "/metrics"},
		} {
			r.User = u
			if err := compareDecisions(t.Context(), client, ours, r); err != nil {
				t.Error(err)
			}
		}
	}
	kubelet := authorizer.AttributesRecord{User: kubelets()[0], Verb: "get", Path: "/metrics"}
	if err := compareDecisions(t.Context(), client, ours, kubelet); err != nil {
		t.Error(err)
	}
}

// What changes after the start counts, on both sides.
func TestAuthorizeFollowsAsKubeAPIServerDoes(t *testing.T) {
	client := realClient(t)
	createSample(t, client)
	ours := NewAuthorizer(follow(t, client))
	getSecret := func(node, name string) authorizer.AttributesRecord {
		return question{resource: "secrets"}.request(kubeletOf(node), "get", "", "blue", name, "")
	}
	compare := func(after string, r authorizer.AttributesRecord, want bool) {
		t.Helper()
		eventually(t, func() bool {
			decision, _, err := ours.Authorize(t.Context(), r)
			return err == nil && (decision == authorizer.DecisionAllow) == want
		})
		if err := compareDecisions(t.Context(), client, ours, r); err != nil {
			t.Errorf("After %s: %v", after, err)
		}
	}
	pod := podWith("blue", "moving", "", []string{"moving"}, nil)
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
	pods := client.CoreV1().Pods("blue")
	deleteNow := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	for _, node := range []string{"a", "b"} {
		pod.Spec.NodeName = node
		if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		compare("a pod on "+node, getSecret(node, "moving"), true)
		compare("a pod on "+node, getSecret(map[string]string{"a": "b", "b": "a"}[node], "moving"), false)
		if err := pods.Delete(t.Context(), pod.Name, deleteNow); err != nil {
			t.Fatal(err)
		}
		compare("its deletion", getSecret(node, "moving"), false)
	}
}

// compareDecisions asks both, until they agree or the real server has had the time
// to hear of all objects.
func compareDecisions(ctx context.Context, client kubernetes.Interface, ours *Authorizer, request authorizer.AttributesRecord) error {
	review := accessReview(request)
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		theirs, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		decision, reason, err := ours.Authorize(ctx, request)
		if err != nil {
			return false, err
		}
		if allowed := decision == authorizer.DecisionAllow; allowed != theirs.Status.Allowed {
			last = fmt.Errorf("%+v: we say %t (%s), kube-apiserver says %t (%s)", review.Spec, allowed, reason, theirs.Status.Allowed, theirs.Status.Reason)
			return false, nil
		}
		return true, nil
	})
	if wait.Interrupted(err) && last != nil {
		return last
	}
	return err
}

func accessReview(r authorizer.AttributesRecord) *authorizationv1.SubjectAccessReview {
	spec := authorizationv1.SubjectAccessReviewSpec{User: r.User.GetName(), Groups: r.User.GetGroups()}
	if !r.ResourceRequest {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: r.Path, Verb: r.Verb}
		return &authorizationv1.SubjectAccessReview{Spec: spec}
	}
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: r.Namespace, Verb: r.Verb, Group: r.APIGroup, Resource: r.Resource, Subresource: r.Subresource, Name: r.Name,
	}
	if len(r.FieldSelectorRequirements) > 0 {
		selector := ""
		for i, f := range r.FieldSelectorRequirements {
			if i > 0 {
				selector += ","
			}
			selector += f.Field + string(f.Operator) + f.Value
		}
		spec.ResourceAttributes.FieldSelector = &authorizationv1.FieldSelectorAttributes{RawSelector: selector}
	}
	return &authorizationv1.SubjectAccessReview{Spec: spec}
}
