// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

func newSubjectAccessReviews(authz authorizer.Authorizer) rest.Storage {
	return &resource[*authorizationv1.SubjectAccessReview]{
		singular: "subjectaccessreview",
		empty:    func() *authorizationv1.SubjectAccessReview { return &authorizationv1.SubjectAccessReview{} },
		check: func(_ context.Context, review *authorizationv1.SubjectAccessReview) error {
			return invalid(validateSubjectAccessReview(review))
		},
		answer: func(ctx context.Context, review *authorizationv1.SubjectAccessReview) (*authorizationv1.SubjectAccessReview, error) {
			review.Status = authorize(ctx, authz, attributesOfSubject(review.Spec))
			return review, nil
		},
	}
}

func newLocalSubjectAccessReviews(authz authorizer.Authorizer) rest.Storage {
	return &resource[*authorizationv1.LocalSubjectAccessReview]{
		singular:   "localsubjectaccessreview",
		namespaced: true,
		empty: func() *authorizationv1.LocalSubjectAccessReview {
			return &authorizationv1.LocalSubjectAccessReview{}
		},
		check: checkLocalSubjectAccessReview,
		answer: func(ctx context.Context, review *authorizationv1.LocalSubjectAccessReview) (*authorizationv1.LocalSubjectAccessReview, error) {
			review.Status = authorize(ctx, authz, attributesOfSubject(review.Spec))
			return review, nil
		},
	}
}

func checkLocalSubjectAccessReview(ctx context.Context, review *authorizationv1.LocalSubjectAccessReview) error {
	if err := invalid(validateLocalSubjectAccessReview(review)); err != nil {
		return err
	}
	namespace := genericapirequest.NamespaceValue(ctx)
	if namespace == "" {
		return apierrors.NewBadRequest("namespace is required on this type: ")
	}
	if namespace != review.Namespace {
		return apierrors.NewBadRequest("spec.resourceAttributes.namespace must match namespace: " + namespace)
	}
	return nil
}

func newSelfSubjectAccessReviews(authz authorizer.Authorizer) rest.Storage {
	return &resource[*authorizationv1.SelfSubjectAccessReview]{
		singular: "selfsubjectaccessreview",
		empty: func() *authorizationv1.SelfSubjectAccessReview {
			return &authorizationv1.SelfSubjectAccessReview{}
		},
		check: func(ctx context.Context, review *authorizationv1.SelfSubjectAccessReview) error {
			if err := invalid(validateSelfSubjectAccessReview(review)); err != nil {
				return err
			}
			return needUser(ctx)
		},
		answer: func(ctx context.Context, review *authorizationv1.SelfSubjectAccessReview) (*authorizationv1.SelfSubjectAccessReview, error) {
			caller, _ := genericapirequest.UserFrom(ctx)
			review.Status = authorize(ctx, authz, attributes(caller, review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes))
			return review, nil
		},
	}
}

func needUser(ctx context.Context) error {
	if _, ok := genericapirequest.UserFrom(ctx); !ok {
		return errNoUser
	}
	return nil
}

func attributesOfSubject(spec authorizationv1.SubjectAccessReviewSpec) authorizer.AttributesRecord {
	subject := &user.DefaultInfo{Name: spec.User, Groups: spec.Groups, UID: spec.UID}
	if spec.Extra != nil {
		subject.Extra = make(map[string][]string, len(spec.Extra))
		for key, values := range spec.Extra {
			subject.Extra[key] = values
		}
	}
	return attributes(subject, spec.ResourceAttributes, spec.NonResourceAttributes)
}

func authorize(ctx context.Context, authz authorizer.Authorizer, attributes authorizer.AttributesRecord) authorizationv1.SubjectAccessReviewStatus {
	decision, reason, err := authz.Authorize(ctx, attributes)
	return authorizationv1.SubjectAccessReviewStatus{
		Allowed:         decision == authorizer.DecisionAllow,
		Denied:          decision == authorizer.DecisionDeny,
		Reason:          reason,
		EvaluationError: evaluationError(err, attributes),
	}
}

// invalid is the answer to a review with those errors, nil if there are none. It
// names the group and no kind, as kube-apiserver's does.
func invalid(errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: authorizationv1.GroupName}, "", errs)
}
