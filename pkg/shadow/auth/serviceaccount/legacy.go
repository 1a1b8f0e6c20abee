// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"crypto/subtle"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/audit"
	apiserverserviceaccount "k8s.io/apiserver/pkg/authentication/serviceaccount"
)

// invalidSinceLabel is on Secrets whose tokens the cloud no longer accepts,
// because nobody has used them for long.
const invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since"

// checkLegacy says whose token it is, if the Secret that it was made for still
// has it and the service account exists. Such tokens do not expire, so neither
// may be waiting for its deletion.
func checkLegacy(ctx context.Context, objects Objects, subject string, claims legacyClaims, token string) (*apiserverserviceaccount.ServiceAccountInfo, error) {
	namespace, name := claims.Namespace, claims.ServiceAccountName
	if namespace == "" || name == "" || claims.ServiceAccountUID == "" || claims.SecretName == "" {
		return nil, errIncomplete
	}
	if subject != apiserverserviceaccount.MakeUsername(namespace, name) {
		return nil, errSubject
	}

	secret, err := objects.GetSecret(ctx, namespace, claims.SecretName)
	switch {
	case apierrors.IsNotFound(err) || err == nil && secret.DeletionTimestamp != nil:
		return nil, errNoBoundObject
	case err != nil:
		return nil, fmt.Errorf("looking up the Secret of a service account token: %w", err)
	case subtle.ConstantTimeCompare(secret.Data[corev1.ServiceAccountTokenKey], []byte(token)) == 0:
		return nil, errNotInSecret
	}
	serviceAccount, err := objects.GetServiceAccount(ctx, namespace, name)
	switch {
	case apierrors.IsNotFound(err) || err == nil && serviceAccount.DeletionTimestamp != nil:
		return nil, errNoAccount
	case err != nil:
		return nil, fmt.Errorf("looking up the service account of a token: %w", err)
	case string(serviceAccount.UID) != claims.ServiceAccountUID:
		return nil, errOtherAccount
	}
	if secret.Labels[invalidSinceLabel] != "" {
		audit.AddAuditAnnotation(ctx, "authentication.k8s.io/legacy-token-invalidated", secret.Name+"/"+secret.Namespace)
		return nil, errMarkedAsInvalid
	}
	audit.AddAuditAnnotation(ctx, "authentication.k8s.io/legacy-token", subject)
	return &apiserverserviceaccount.ServiceAccountInfo{Namespace: namespace, Name: name, UID: claims.ServiceAccountUID}, nil
}
