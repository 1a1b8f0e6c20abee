// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// authorizeCreate makes sure that the caller may create the subresource. A request
// with POST has been asked that already; one with GET has been asked for no more
// than reading, and could do as much.
func authorizeCreate(ctx context.Context, by authorizer.Authorizer) error {
	info, ok := request.RequestInfoFrom(ctx)
	if !ok {
		return apierrors.NewInternalError(errors.New("no request info in context"))
	}
	if info.Verb == "create" {
		return nil
	}
	attributes, err := filters.GetAuthorizerAttributes(ctx)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("authorizing: %w", err))
	}
	decision, reason, err := by.Authorize(ctx, asCreate{attributes})
	if decision == authorizer.DecisionAllow {
		return nil
	}
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("authorizing: %w", err))
	}
	return responsewriters.ForbiddenStatusError(asCreate{attributes}, reason)
}

// asCreate is a request made with another verb.
type asCreate struct{ authorizer.Attributes }

func (asCreate) GetVerb() string { return "create" }
