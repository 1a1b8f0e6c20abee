// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// mastersOnly allows system:masters everything, forbids "nobody" everything, and
// has no opinion on others. It keeps what it was asked last.
type mastersOnly struct {
	asked authorizer.Attributes
	err   error
}

func (m *mastersOnly) Authorize(_ context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	m.asked = attributes
	switch {
	case slices.Contains(attributes.GetUser().GetGroups(), user.SystemPrivilegedGroup):
		return authorizer.DecisionAllow, "", m.err
	case attributes.GetUser().GetName() == "nobody":
		return authorizer.DecisionDeny, "nobody may nothing", m.err
	}
	return authorizer.DecisionNoOpinion, "", m.err
}

func (m *mastersOnly) RulesFor(_ context.Context, caller user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	return []authorizer.ResourceRuleInfo{&authorizer.DefaultResourceRuleInfo{
			Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: []string{caller.GetName() + "-in-" + namespace},
		}},
		[]authorizer.NonResourceRuleInfo{&authorizer.DefaultNonResourceRuleInfo{Verbs: []string{"get"}, NonResourceURLs: []string{"/livez"}}},
		m.err != nil, m.err
}

var masters = &user.DefaultInfo{Name: "admin", Groups: []string{user.SystemPrivilegedGroup}}

// create does what the handler of a create request does around the storage.
func create[T runtime.Object](ctx context.Context, storage rest.Storage, review T) (T, error) {
	var none T
	object, err := runtime.Object(review), error(nil)
	if accessor, ok := object.(metav1.Object); ok {
		err = rest.EnsureObjectNamespaceMatchesRequestNamespace(genericapirequest.NamespaceValue(ctx), accessor)
	}
	if err == nil {
		object, err = storage.(rest.Creater).Create(ctx, object, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	}
	if err != nil {
		return none, err
	}
	return object.(T), nil
}

func contextOf(t *testing.T, namespace string, caller user.Info) context.Context {
	t.Helper()
	ctx := genericapirequest.WithNamespace(t.Context(), namespace)
	if caller == nil {
		return ctx
	}
	return genericapirequest.WithUser(ctx, caller)
}

func TestResourcesAreWhatDiscoverySays(t *testing.T) {
	all := Authentication(nil, nil)
	for name, storage := range Authorization(&mastersOnly{}, &mastersOnly{}) {
		all[name] = storage
	}
	want := map[string]bool{ // namespaced
		"tokenreviews": false, "selfsubjectreviews": false, "subjectaccessreviews": false,
		"localsubjectaccessreviews": true, "selfsubjectaccessreviews": false, "selfsubjectrulesreviews": false,
	}
	got := map[string]bool{}
	for name, storage := range all {
		got[name] = storage.(rest.Scoper).NamespaceScoped()
		if singular := storage.(rest.SingularNameProvider).GetSingularName(); singular+"s" != name {
			t.Errorf("%s in the singular is %s", name, singular)
		}
		if _, err := storage.(rest.Creater).Create(t.Context(), &corev1.Pod{}, nil, nil); !apierrors.IsBadRequest(err) {
			t.Errorf("%s for a pod: %v", name, err)
		}
		storage.New()
		storage.Destroy()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Namespaced (-want +got):\n%s", diff)
	}
}

func TestTokenReviews(t *testing.T) {
	var asked authenticator.Audiences
	tokens := authenticator.TokenFunc(func(ctx context.Context, token string) (*authenticator.Response, bool, error) {
		asked, _ = authenticator.AudiencesFrom(ctx)
		info := &user.DefaultInfo{Name: "web", UID: "7", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}}
		switch token {
		case "good":
			return &authenticator.Response{User: info, Audiences: asked[:1]}, true, nil
		case "for others":
			return &authenticator.Response{User: info, Audiences: authenticator.Audiences{"elsewhere"}}, true, nil
		case "of nobody":
			return nil, false, nil
		}
		return nil, false, errors.New("token has expired")
	})
	storage := Authentication(tokens, authenticator.Audiences{"api"})["tokenreviews"]
	web := authenticationv1.UserInfo{Username: "web", UID: "7", Groups: []string{"g"}, Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}}
	for name, c := range map[string]struct {
		spec  authenticationv1.TokenReviewSpec
		asked authenticator.Audiences
		want  authenticationv1.TokenReviewStatus
	}{
		"for the API server": {
			authenticationv1.TokenReviewSpec{Token: "good"}, authenticator.Audiences{"api"},
			authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{"api"}, User: web},
		},
		"for others": {
			authenticationv1.TokenReviewSpec{Token: "good", Audiences: []string{"vault", "db"}}, authenticator.Audiences{"vault", "db"},
			authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{"vault"}, User: web},
		},
		"of nobody": {
			authenticationv1.TokenReviewSpec{Token: "of nobody"}, authenticator.Audiences{"api"},
			authenticationv1.TokenReviewStatus{Error: "invalid bearer token"},
		},
		"bad": {
			authenticationv1.TokenReviewSpec{Token: "bad"}, authenticator.Audiences{"api"},
			authenticationv1.TokenReviewStatus{Error: "token has expired"},
		},
	} {
		review := &authenticationv1.TokenReview{Spec: c.spec, Status: authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "claimed"}}}
		got, err := create(contextOf(t, "", masters), storage, review)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got.Status); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.asked, asked); diff != "" {
			t.Errorf("%s: asked for audiences (-want +got):\n%s", name, diff)
		}
	}
	if _, err := create(contextOf(t, "", masters), storage, &authenticationv1.TokenReview{}); !apierrors.IsBadRequest(err) {
		t.Errorf("Without a token: %v", err)
	}
	forOthers := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "for others"}}
	if _, err := create(contextOf(t, "", masters), storage, forOthers); !apierrors.IsInternalError(err) {
		t.Errorf("An authenticator that does not keep to the audiences: %v", err)
	}
	claimed := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "x"}, Status: authenticationv1.TokenReviewStatus{Authenticated: true}}
	if got, err := create(contextOf(t, "", masters), Authentication(nil, nil)["tokenreviews"], claimed); err != nil || got.Status.Authenticated {
		t.Errorf("Without an authenticator: %v, %v", got, err)
	}
}

func TestSelfSubjectReviews(t *testing.T) {
	storage := Authentication(nil, nil)["selfsubjectreviews"]
	caller := &user.DefaultInfo{Name: "alice", UID: "7", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v"}}}
	claimed := &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: "root"}}}
	got, err := create(contextOf(t, "", caller), storage, claimed)
	if err != nil {
		t.Fatal(err)
	}
	want := authenticationv1.UserInfo{Username: "alice", UID: "7", Groups: []string{"a", "b"}, Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}}
	if diff := cmp.Diff(want, got.Status.UserInfo); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := create(contextOf(t, "", nil), storage, &authenticationv1.SelfSubjectReview{}); !apierrors.IsBadRequest(err) {
		t.Errorf("Without a user: %v", err)
	}
}

func TestAdmissionHasItsSay(t *testing.T) {
	refused := errors.New("admission says no")
	var asked bool
	tokens := authenticator.TokenFunc(func(context.Context, string) (*authenticator.Response, bool, error) {
		asked = true
		return nil, false, nil
	})
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "x"}}
	refuse := func(_ context.Context, object runtime.Object) error {
		object.(*authenticationv1.TokenReview).Spec.Token = "changed" // of a copy
		return refused
	}
	_, err := Authentication(tokens, nil)["tokenreviews"].(rest.Creater).Create(t.Context(), review, refuse, nil)
	if !errors.Is(err, refused) || asked || review.Spec.Token != "x" {
		t.Errorf("Got %v, authenticator asked: %v, token %q", err, asked, review.Spec.Token)
	}
}

func TestTheAuthorizerIsAskedWhatTheReviewSays(t *testing.T) {
	authz := &mastersOnly{}
	storage := Authorization(authz, authz)["subjectaccessreviews"]
	subject := &user.DefaultInfo{Name: "alice", UID: "7", Groups: []string{"a"}, Extra: map[string][]string{"k": {"v"}}}
	for name, c := range map[string]struct {
		spec authorizationv1.SubjectAccessReviewSpec
		want authorizer.AttributesRecord
	}{
		"resource": {
			authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: "app", Verb: "list", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web",
			}},
			authorizer.AttributesRecord{
				User: subject, ResourceRequest: true,
				Namespace: "app", Verb: "list", APIGroup: "apps", APIVersion: "v1", Resource: "deployments", Subresource: "scale", Name: "web",
			},
		},
		"any version": {
			authorizationv1.SubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}},
			authorizer.AttributesRecord{User: subject, ResourceRequest: true, Verb: "get", Resource: "pods", APIVersion: "*"},
		},
		"path": {
			authorizationv1.SubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: "/metrics"}},
			authorizer.AttributesRecord{User: subject, Verb: "get", Path: "/metrics"},
		},
	} {
		c.spec.User, c.spec.UID, c.spec.Groups = "alice", "7", []string{"a"}
		c.spec.Extra = map[string]authorizationv1.ExtraValue{"k": {"v"}}
		if _, err := create(contextOf(t, "", masters), storage, &authorizationv1.SubjectAccessReview{Spec: c.spec}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(authorizer.Attributes(c.want), authz.asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	self := Authorization(authz, authz)["selfsubjectaccessreviews"]
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: "/metrics"},
	}}
	if _, err := create(contextOf(t, "", subject), self, review); err != nil || authz.asked.GetUser() != user.Info(subject) {
		t.Errorf("Of the caller: %v, asked about %v", err, authz.asked.GetUser())
	}
}

func TestSelectorsReachTheAuthorizer(t *testing.T) {
	labelRequirement := func(key string, operator selection.Operator, values ...string) labels.Requirement {
		requirement, err := labels.NewRequirement(key, operator, values)
		if err != nil {
			t.Fatal(err)
		}
		return *requirement
	}
	spec := func(change func(*authorizationv1.ResourceAttributes)) *authorizationv1.SubjectAccessReview {
		attributes := &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"}
		change(attributes)
		return &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "alice", ResourceAttributes: attributes}}
	}
	withLabels := func(selector authorizationv1.LabelSelectorAttributes) *authorizationv1.SubjectAccessReview {
		return spec(func(a *authorizationv1.ResourceAttributes) { a.LabelSelector = &selector })
	}
	withFields := func(selector authorizationv1.FieldSelectorAttributes) *authorizationv1.SubjectAccessReview {
		return spec(func(a *authorizationv1.ResourceAttributes) { a.FieldSelector = &selector })
	}
	node := fields.Requirement{Operator: selection.Equals, Field: "spec.nodeName", Value: "edge-1"}
	for name, c := range map[string]struct {
		review *authorizationv1.SubjectAccessReview
		labels labels.Requirements
		fields fields.Requirements
		err    string
	}{
		"raw labels": {
			review: withLabels(authorizationv1.LabelSelectorAttributes{RawSelector: "app in (a,b),!x"}),
			labels: labels.Requirements{labelRequirement("app", selection.In, "a", "b"), labelRequirement("x", selection.DoesNotExist)},
		},
		"labels": {
			review: withLabels(authorizationv1.LabelSelectorAttributes{Requirements: []metav1.LabelSelectorRequirement{
				{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"a"}}, {Key: "x", Operator: metav1.LabelSelectorOpExists},
			}}),
			labels: labels.Requirements{labelRequirement("app", selection.NotIn, "a"), labelRequirement("x", selection.Exists)},
		},
		"raw labels that make no sense": {
			review: withLabels(authorizationv1.LabelSelectorAttributes{RawSelector: "a in ("}),
			err:    "spec.resourceAttributes.labelSelector ignored due to parse error",
		},
		"labels of which one makes no sense": {
			review: withLabels(authorizationv1.LabelSelectorAttributes{Requirements: []metav1.LabelSelectorRequirement{
				{Key: "app", Operator: "Resembles", Values: []string{"a"}}, {Key: "x", Operator: metav1.LabelSelectorOpExists},
			}}),
			labels: labels.Requirements{labelRequirement("x", selection.Exists)},
			err:    "spec.resourceAttributes.labelSelector partially ignored due to parse error",
		},
		"raw fields": {
			review: withFields(authorizationv1.FieldSelectorAttributes{RawSelector: "spec.nodeName=edge-1"}),
			fields: fields.Requirements{node},
		},
		"fields": {
			review: withFields(authorizationv1.FieldSelectorAttributes{Requirements: []metav1.FieldSelectorRequirement{
				{Key: "spec.nodeName", Operator: metav1.FieldSelectorOpIn, Values: []string{"edge-1"}},
				{Key: "metadata.name", Operator: metav1.FieldSelectorOpNotIn, Values: []string{"x"}},
			}}),
			fields: fields.Requirements{node, {Operator: selection.NotEquals, Field: "metadata.name", Value: "x"}},
		},
		"raw fields that make no sense": {
			review: withFields(authorizationv1.FieldSelectorAttributes{RawSelector: "a"}),
			err:    "spec.resourceAttributes.fieldSelector ignored due to parse error",
		},
		"fields of which some make no sense": {
			review: withFields(authorizationv1.FieldSelectorAttributes{Requirements: []metav1.FieldSelectorRequirement{
				{Key: "spec.nodeName", Operator: metav1.FieldSelectorOpIn, Values: []string{"edge-1"}},
				{Key: "spec.nodeName", Operator: metav1.FieldSelectorOpIn, Values: []string{"a", "b"}},
				{Key: "spec.nodeName", Operator: metav1.FieldSelectorOpExists},
				{Key: "spec.nodeName", Operator: "Resembles", Values: []string{"a"}},
			}}),
			fields: fields.Requirements{node},
			err:    "spec.resourceAttributes.fieldSelector partially ignored due to parse error",
		},
	} {
		t.Run(name, func(t *testing.T) {
			authz := &mastersOnly{}
			got, err := create(contextOf(t, "", masters), Authorization(authz, authz)["subjectaccessreviews"], c.review)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status.EvaluationError != c.err {
				t.Errorf("Evaluation error %q, want %q", got.Status.EvaluationError, c.err)
			}
			gotLabels, labelErr := authz.asked.GetLabelSelector()
			gotFields, fieldErr := authz.asked.GetFieldSelector()
			if diff := cmp.Diff(c.labels, gotLabels, cmp.Comparer(func(a, b labels.Requirement) bool { return a.String() == b.String() })); diff != "" {
				t.Errorf("Labels (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.fields, gotFields); diff != "" {
				t.Errorf("Fields (-want +got):\n%s", diff)
			}
			if (labelErr != nil || fieldErr != nil) != (c.err != "") {
				t.Errorf("The authorizer was told %v and %v", labelErr, fieldErr)
			}
		})
	}
}

func TestDecisionsAreTold(t *testing.T) {
	broken := errors.New("role not found")
	for name, c := range map[string]struct {
		subject string
		groups  []string
		err     error
		want    authorizationv1.SubjectAccessReviewStatus
	}{
		"allowed":    {"admin", []string{"system:masters"}, nil, authorizationv1.SubjectAccessReviewStatus{Allowed: true}},
		"denied":     {"nobody", nil, nil, authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: "nobody may nothing"}},
		"no opinion": {"alice", nil, nil, authorizationv1.SubjectAccessReviewStatus{}},
		"trouble":    {"alice", nil, broken, authorizationv1.SubjectAccessReviewStatus{EvaluationError: "role not found"}},
	} {
		authz := &mastersOnly{err: c.err}
		review := &authorizationv1.LocalSubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: c.subject, Groups: c.groups,
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "app", Verb: "get", Resource: "pods"},
			},
			Status: authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "claimed"},
		}
		got, err := create(contextOf(t, "app", masters), Authorization(authz, authz)["localsubjectaccessreviews"], review)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, got.Status); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRulesOfTheCaller(t *testing.T) {
	for name, broken := range map[string]error{"complete": nil, "incomplete": errors.New("webhooks cannot be asked")} {
		storage := Authorization(&mastersOnly{}, &mastersOnly{err: broken})["selfsubjectrulesreviews"]
		review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "app"}}
		got, err := create(contextOf(t, "", masters), storage, review)
		if err != nil {
			t.Fatal(err)
		}
		want := authorizationv1.SubjectRulesReviewStatus{
			ResourceRules:    []authorizationv1.ResourceRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}, ResourceNames: []string{"admin-in-app"}}},
			NonResourceRules: []authorizationv1.NonResourceRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/livez"}}},
		}
		if broken != nil {
			want.Incomplete, want.EvaluationError = true, broken.Error()
		}
		if diff := cmp.Diff(want, got.Status); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReviewsOfTheCallerNeedOne(t *testing.T) {
	for name, review := range map[string]runtime.Object{
		"selfsubjectrulesreviews": &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "app"}},
		"selfsubjectaccessreviews": &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
		}},
	} {
		_, err := create(contextOf(t, "", nil), Authorization(&mastersOnly{}, &mastersOnly{})[name], review)
		if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "no user") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
