// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

func newSelfSubjectRulesReviews(rules authorizer.RuleResolver) rest.Storage {
	return &resource[*authorizationv1.SelfSubjectRulesReview]{
		singular: "selfsubjectrulesreview",
		empty: func() *authorizationv1.SelfSubjectRulesReview {
			return &authorizationv1.SelfSubjectRulesReview{}
		},
		check: func(ctx context.Context, review *authorizationv1.SelfSubjectRulesReview) error {
			if err := needUser(ctx); err != nil {
				return err
			}
			if review.Spec.Namespace == "" {
				return apierrors.NewBadRequest("no namespace on request")
			}
			return nil
		},
		answer: func(ctx context.Context, review *authorizationv1.SelfSubjectRulesReview) (*authorizationv1.SelfSubjectRulesReview, error) {
			caller, _ := genericapirequest.UserFrom(ctx)
			resources, nonResources, incomplete, err := rules.RulesFor(ctx, caller, review.Spec.Namespace)
			answer := &authorizationv1.SelfSubjectRulesReview{Status: authorizationv1.SubjectRulesReviewStatus{
				ResourceRules:    resourceRules(resources),
				NonResourceRules: nonResourceRules(nonResources),
				Incomplete:       incomplete,
			}}
			if err != nil {
				answer.Status.EvaluationError = err.Error()
			}
			return answer, nil
		},
	}
}

func resourceRules(infos []authorizer.ResourceRuleInfo) []authorizationv1.ResourceRule {
	rules := make([]authorizationv1.ResourceRule, len(infos))
	for i, info := range infos {
		rules[i] = authorizationv1.ResourceRule{
			Verbs:         info.GetVerbs(),
			APIGroups:     info.GetAPIGroups(),
			Resources:     info.GetResources(),
			ResourceNames: info.GetResourceNames(),
		}
	}
	return rules
}

func nonResourceRules(infos []authorizer.NonResourceRuleInfo) []authorizationv1.NonResourceRule {
	rules := make([]authorizationv1.NonResourceRule, len(infos))
	for i, info := range infos {
		rules[i] = authorizationv1.NonResourceRule{Verbs: info.GetVerbs(), NonResourceURLs: info.GetNonResourceURLs()}
	}
	return rules
}
