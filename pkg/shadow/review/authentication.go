// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"errors"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"
)

var errNoUser = apierrors.NewBadRequest("no user present on request")

func newTokenReviews(tokens authenticator.Token, apiAudiences authenticator.Audiences) rest.Storage {
	return &resource[*authenticationv1.TokenReview]{
		singular: "tokenreview",
		empty:    func() *authenticationv1.TokenReview { return &authenticationv1.TokenReview{} },
		check: func(_ context.Context, review *authenticationv1.TokenReview) error {
			if review.Spec.Token == "" {
				return apierrors.NewBadRequest("token is required for TokenReview in authentication")
			}
			return nil
		},
		answer: func(ctx context.Context, review *authenticationv1.TokenReview) (*authenticationv1.TokenReview, error) {
			audiences := authenticator.Audiences(review.Spec.Audiences)
			if len(audiences) == 0 {
				audiences = apiAudiences
			}
			return reviewToken(ctx, tokens, audiences, review)
		},
	}
}

func reviewToken(ctx context.Context, tokens authenticator.Token, audiences authenticator.Audiences, review *authenticationv1.TokenReview) (*authenticationv1.TokenReview, error) {
	review.Status = authenticationv1.TokenReviewStatus{}
	if tokens == nil {
		return review, nil
	}
	response, ok, err := tokens.AuthenticateToken(authenticator.WithAudiences(ctx, audiences), review.Spec.Token)
	switch {
	case err != nil:
		review.Status.Error = err.Error()
		return review, nil //nolint:nilerr // that a token is refused is the answer
	case !ok:
		review.Status.Error = "invalid bearer token"
		return review, nil
	}
	if len(audiences.Intersect(response.Audiences)) == 0 {
		err := errors.New("error validating audiences")
		klog.FromContext(ctx).Error(err, "Authenticated a token for other audiences than asked", "want", audiences, "got", response.Audiences)
		return nil, apierrors.NewInternalError(err)
	}
	review.Status.Authenticated = true
	review.Status.Audiences = response.Audiences
	review.Status.User = userInfo(response.User)
	return review, nil
}

func newSelfSubjectReviews() rest.Storage {
	return &resource[*authenticationv1.SelfSubjectReview]{
		singular: "selfsubjectreview",
		empty:    func() *authenticationv1.SelfSubjectReview { return &authenticationv1.SelfSubjectReview{} },
		check:    func(context.Context, *authenticationv1.SelfSubjectReview) error { return nil },
		answer: func(ctx context.Context, _ *authenticationv1.SelfSubjectReview) (*authenticationv1.SelfSubjectReview, error) {
			caller, ok := genericapirequest.UserFrom(ctx)
			if !ok {
				return nil, errNoUser
			}
			return &authenticationv1.SelfSubjectReview{
				ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.Now()},
				Status:     authenticationv1.SelfSubjectReviewStatus{UserInfo: userInfo(caller)},
			}, nil
		},
	}
}

func userInfo(info user.Info) authenticationv1.UserInfo {
	extra := make(map[string]authenticationv1.ExtraValue, len(info.GetExtra()))
	for key, values := range info.GetExtra() {
		extra[key] = values
	}
	return authenticationv1.UserInfo{Username: info.GetName(), UID: info.GetUID(), Groups: info.GetGroups(), Extra: extra}
}
