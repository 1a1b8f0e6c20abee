// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Authentication returns the resources of authentication.k8s.io/v1. Tokens are
// reviewed by the authenticator, for the given audiences if a review names none.
func Authentication(tokens authenticator.Token, audiences authenticator.Audiences) map[string]rest.Storage {
	return map[string]rest.Storage{
		"tokenreviews":       newTokenReviews(tokens, audiences),
		"selfsubjectreviews": newSelfSubjectReviews(),
	}
}

// Authorization returns the resources of authorization.k8s.io/v1.
func Authorization(authorizer authorizer.Authorizer, rules authorizer.RuleResolver) map[string]rest.Storage {
	return map[string]rest.Storage{
		"subjectaccessreviews":      newSubjectAccessReviews(authorizer),
		"localsubjectaccessreviews": newLocalSubjectAccessReviews(authorizer),
		"selfsubjectaccessreviews":  newSelfSubjectAccessReviews(authorizer),
		"selfsubjectrulesreviews":   newSelfSubjectRulesReviews(rules),
	}
}

// resource is a resource that can be created and nothing else.
type resource[T runtime.Object] struct {
	singular   string
	namespaced bool
	empty      func() T
	// check refuses what is wrong with a review, before admission sees it.
	check func(ctx context.Context, review T) error
	// answer fills in the status, or makes another object that has it.
	answer func(ctx context.Context, review T) (T, error)
}

var _ interface {
	rest.Storage
	rest.Scoper
	rest.Creater
	rest.SingularNameProvider
} = &resource[runtime.Object]{}

func (r *resource[T]) New() runtime.Object     { return r.empty() }
func (r *resource[T]) Destroy()                {}
func (r *resource[T]) NamespaceScoped() bool   { return r.namespaced }
func (r *resource[T]) GetSingularName() string { return r.singular }

func (r *resource[T]) Create(ctx context.Context, obj runtime.Object, createValidation rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	review, ok := obj.(T)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a %T: %T", r.empty(), obj))
	}
	if err := r.check(ctx, review); err != nil {
		return nil, err
	}
	if createValidation != nil {
		if err := createValidation(ctx, obj.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	return r.answer(ctx, review)
}
