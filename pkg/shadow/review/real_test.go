// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/testcluster"
)

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

type (
	resourceAttributes    = authorizationv1.ResourceAttributes
	nonResourceAttributes = authorizationv1.NonResourceAttributes
	subjectSpec           = authorizationv1.SubjectAccessReviewSpec
	labelSelector         = authorizationv1.LabelSelectorAttributes
	fieldSelector         = authorizationv1.FieldSelectorAttributes
)

// attributesCases are what may be asked about, right and wrong.
var attributesCases = map[string]struct {
	resource    *resourceAttributes
	nonResource *nonResourceAttributes
}{
	"nothing":      {},
	"a resource":   {resource: &resourceAttributes{Namespace: "default", Verb: "get", Resource: "pods"}},
	"empty":        {resource: &resourceAttributes{}},
	"a path":       {nonResource: &nonResourceAttributes{Verb: "get", Path: "/metrics"}},
	"an empty one": {nonResource: &nonResourceAttributes{}},
	"both":         {resource: &resourceAttributes{Namespace: "default"}, nonResource: &nonResourceAttributes{Path: "/x"}},
	"another namespace": {
		resource: &resourceAttributes{Namespace: "kube-system", Verb: "get", Resource: "pods"},
	},
	"labels, raw":            {resource: &resourceAttributes{Namespace: "default", LabelSelector: &labelSelector{RawSelector: "a=b"}}},
	"labels, raw and wrong":  {resource: &resourceAttributes{Namespace: "default", LabelSelector: &labelSelector{RawSelector: "a=b=c"}}},
	"labels, empty":          {resource: &resourceAttributes{Namespace: "default", LabelSelector: &labelSelector{}}},
	"labels, in both forms":  {resource: withLabels("a=b", metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpExists})},
	"labels, without key":    {resource: withLabels("", metav1.LabelSelectorRequirement{Operator: metav1.LabelSelectorOpExists})},
	"labels, wrong key":      {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a b", Operator: metav1.LabelSelectorOpExists})},
	"labels, wrong value":    {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: []string{"a b"}})},
	"labels, in nothing":     {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpIn})},
	"labels, exists as":      {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a", Operator: metav1.LabelSelectorOpExists, Values: []string{"b"}})},
	"labels, new operator":   {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a", Operator: "Resembles", Values: []string{"b"}})},
	"labels, no operator":    {resource: withLabels("", metav1.LabelSelectorRequirement{Key: "a"})},
	"fields, raw":            {resource: &resourceAttributes{Namespace: "default", FieldSelector: &fieldSelector{RawSelector: "a=b"}}},
	"fields, raw and wrong":  {resource: &resourceAttributes{Namespace: "default", FieldSelector: &fieldSelector{RawSelector: "a"}}},
	"fields, empty":          {resource: &resourceAttributes{Namespace: "default", FieldSelector: &fieldSelector{}}},
	"fields, in both forms":  {resource: withFields("a=b", metav1.FieldSelectorRequirement{Key: "a", Operator: metav1.FieldSelectorOpExists})},
	"fields, without key":    {resource: withFields("", metav1.FieldSelectorRequirement{Operator: metav1.FieldSelectorOpIn, Values: []string{"b"}})},
	"fields, in nothing":     {resource: withFields("", metav1.FieldSelectorRequirement{Key: "a", Operator: metav1.FieldSelectorOpIn})},
	"fields, in two":         {resource: withFields("", metav1.FieldSelectorRequirement{Key: "a", Operator: metav1.FieldSelectorOpIn, Values: []string{"b", "c"}})},
	"fields, not in one":     {resource: withFields("", metav1.FieldSelectorRequirement{Key: "a", Operator: metav1.FieldSelectorOpNotIn, Values: []string{"b"}})},
	"fields, exists":         {resource: withFields("", metav1.FieldSelectorRequirement{Key: "a", Operator: metav1.FieldSelectorOpExists})},
	"fields, new operator":   {resource: withFields("", metav1.FieldSelectorRequirement{Key: "a", Operator: "Resembles", Values: []string{"b"}})},
	"labels and fields, bad": {resource: &resourceAttributes{LabelSelector: &labelSelector{}, FieldSelector: &fieldSelector{}}},
}

func withLabels(raw string, requirements ...metav1.LabelSelectorRequirement) *resourceAttributes {
	return &resourceAttributes{Namespace: "default", Verb: "list", Resource: "pods", LabelSelector: &labelSelector{RawSelector: raw, Requirements: requirements}}
}

func withFields(raw string, requirements ...metav1.FieldSelectorRequirement) *resourceAttributes {
	return &resourceAttributes{Namespace: "default", Verb: "list", Resource: "pods", FieldSelector: &fieldSelector{RawSelector: raw, Requirements: requirements}}
}

// metaCases are what metadata a review may have.
var metaCases = map[string]metav1.ObjectMeta{
	"without metadata": {},
	"with a name":      {Name: "x"},
	"with labels":      {Labels: map[string]string{"a": "b"}},
}

func realClient(t *testing.T) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(testcluster.Need(t, cluster).RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// same compares the answers of both servers to one review. The handlers around
// our storage are not there, so what they add to metadata is left out.
func same[T runtime.Object](t *testing.T, real T, realErr error, ours T, err error, status func(T) any) {
	t.Helper()
	if diff := cmp.Diff(statusOf(realErr), statusOf(err)); diff != "" {
		t.Fatalf("Errors (-real +ours):\n%s", diff)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(status(real), status(ours)); diff != "" {
		t.Errorf("Status (-real +ours):\n%s", diff)
	}
}

// managedFields is what the real server repeats of metadata that the client has
// not sent.
var managedFields = regexp.MustCompile(`,?"managedFields":\[[^\]]*\]`)

// nonResource is how a message has non-resource attributes: the real server names
// their fields as its internal type does, ours as the API does.
var nonResource = regexp.MustCompile(`\{("Path":[^}]*|"path":[^}]*|"verb":[^}]*)?\}: `)

func normalize(message string) string {
	return nonResource.ReplaceAllString(managedFields.ReplaceAllString(message, ""), "{}: ")
}

func statusOf(err error) metav1.Status {
	if err == nil {
		return metav1.Status{}
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return metav1.Status{Message: err.Error()}
	}
	out := status.Status()
	out.TypeMeta = metav1.TypeMeta{}
	out.Message = normalize(out.Message)
	if out.Details != nil {
		for i := range out.Details.Causes {
			out.Details.Causes[i].Message = normalize(out.Details.Causes[i].Message)
		}
	}
	return out
}

func TestAccessReviewsAreAnsweredAsByARealServer(t *testing.T) {
	client := realClient(t).AuthorizationV1()
	ctx := t.Context()
	authz := &mastersOnly{}
	storages := Authorization(authz, authz)
	options := metav1.CreateOptions{}
	for name, c := range attributesCases {
		for metaName, meta := range metaCases {
			for subject, groups := range map[string][]string{"admin": {"system:masters"}, "someone": nil, "": nil} {
				t.Run(name+" "+metaName+" of "+subject, func(t *testing.T) {
					spec := subjectSpec{User: subject, Groups: groups, ResourceAttributes: c.resource, NonResourceAttributes: c.nonResource}
					review := &authorizationv1.SubjectAccessReview{ObjectMeta: meta, Spec: spec}
					real, realErr := client.SubjectAccessReviews().Create(ctx, review.DeepCopy(), options)
					ours, err := create(contextOf(t, "", masters), storages["subjectaccessreviews"], review.DeepCopy())
					same(t, real, realErr, ours, err, func(r *authorizationv1.SubjectAccessReview) any { return r.Status })

					for _, namespace := range []string{"", "default", "kube-system"} {
						local := &authorizationv1.LocalSubjectAccessReview{ObjectMeta: meta, Spec: spec}
						local.Namespace = namespace
						realLocal, realErr := client.LocalSubjectAccessReviews("default").Create(ctx, local.DeepCopy(), options)
						ourLocal, err := create(contextOf(t, "default", masters), storages["localsubjectaccessreviews"], local.DeepCopy())
						same(t, realLocal, realErr, ourLocal, err, func(r *authorizationv1.LocalSubjectAccessReview) any { return r.Status })
					}
				})
			}
			t.Run(name+" "+metaName+" of the caller", func(t *testing.T) {
				review := &authorizationv1.SelfSubjectAccessReview{ObjectMeta: meta}
				review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes = c.resource, c.nonResource
				real, realErr := client.SelfSubjectAccessReviews().Create(ctx, review.DeepCopy(), options)
				ours, err := create(contextOf(t, "", masters), storages["selfsubjectaccessreviews"], review.DeepCopy())
				same(t, real, realErr, ours, err, func(r *authorizationv1.SelfSubjectAccessReview) any { return r.Status })
			})
		}
	}
	t.Run("rules without namespace", func(t *testing.T) {
		review := &authorizationv1.SelfSubjectRulesReview{}
		real, realErr := client.SelfSubjectRulesReviews().Create(ctx, review.DeepCopy(), options)
		ours, err := create(contextOf(t, "", masters), storages["selfsubjectrulesreviews"], review.DeepCopy())
		same(t, real, realErr, ours, err, func(r *authorizationv1.SelfSubjectRulesReview) any { return r.Status })
	})
}

func TestAuthenticationReviewsAreAnsweredAsByARealServer(t *testing.T) {
	c := testcluster.Need(t, cluster)
	client := realClient(t).AuthenticationV1()
	nobodys := authenticator.TokenFunc(func(context.Context, string) (*authenticator.Response, bool, error) { return nil, false, nil })
	storages := Authentication(nobodys, authenticator.Audiences{"api"})
	for name, spec := range map[string]authenticationv1.TokenReviewSpec{
		"no token":           {},
		"no token, audience": {Audiences: []string{"a"}},
		"garbage":            {Token: "garbage"},
		"garbage, audience":  {Token: "garbage", Audiences: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			review := &authenticationv1.TokenReview{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: spec}
			real, realErr := client.TokenReviews().Create(t.Context(), review.DeepCopy(), metav1.CreateOptions{})
			ours, err := create(contextOf(t, "", masters), storages["tokenreviews"], review.DeepCopy())
			same(t, real, realErr, ours, err, func(r *authenticationv1.TokenReview) any {
				r.Status.Error = "" // the real one joins those of all its authenticators
				return r.Status
			})
		})
	}

	t.Run("the caller", func(t *testing.T) {
		config, err := c.UserConfig("alice", "devs")
		if err != nil {
			t.Fatal(err)
		}
		asAlice, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		real, realErr := asAlice.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if realErr != nil {
			t.Fatal(realErr)
		}
		info := real.Status.UserInfo
		caller := &user.DefaultInfo{
			Name: "alice", Groups: []string{"devs", "system:authenticated"},
			Extra: map[string][]string{user.CredentialIDKey: info.Extra[user.CredentialIDKey]},
		}
		ours, err := create(contextOf(t, "", caller), storages["selfsubjectreviews"], &authenticationv1.SelfSubjectReview{})
		same(t, real, nil, ours, err, func(r *authenticationv1.SelfSubjectReview) any { return r.Status })
	})
}
