// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverserviceaccount "k8s.io/apiserver/pkg/authentication/serviceaccount"
	authenticationtokenjwt "k8s.io/apiserver/pkg/authentication/token/jwt"
)

// checkBound says whose token it is, if its service account and the object that
// it is bound to exist and have not been deleted before the deadline. A deletion
// timestamp is the time at which the grace period ends.
func checkBound(ctx context.Context, objects Objects, registered jwt.Claims, claims kubernetesClaims, deadline time.Time) (*apiserverserviceaccount.ServiceAccountInfo, error) {
	namespace, account := claims.Namespace, claims.ServiceAccount
	if namespace == "" || account.Name == "" || account.UID == "" {
		return nil, errIncomplete
	}
	if registered.Subject != apiserverserviceaccount.MakeUsername(namespace, account.Name) {
		return nil, errSubject
	}

	serviceAccount, err := objects.GetServiceAccount(ctx, namespace, account.Name)
	if err := checkObject(serviceAccount, err, account, deadline, errNoAccount, errOtherAccount); err != nil {
		return nil, err
	}
	info := &apiserverserviceaccount.ServiceAccountInfo{
		Namespace:    namespace,
		Name:         account.Name,
		UID:          account.UID,
		CredentialID: authenticationtokenjwt.CredentialIDForJTI(registered.ID),
	}
	if secret := claims.Secret; secret != nil {
		object, err := objects.GetSecret(ctx, namespace, secret.Name)
		if err := checkObject(object, err, *secret, deadline, errNoBoundObject, errOtherObject); err != nil {
			return nil, err
		}
	}
	if pod := claims.Pod; pod != nil {
		object, err := objects.GetPod(ctx, namespace, pod.Name)
		if err := checkObject(object, err, *pod, deadline, errNoBoundObject, errOtherObject); err != nil {
			return nil, err
		}
		info.PodName, info.PodUID = pod.Name, pod.UID
	}
	if node := claims.Node; node != nil {
		// The node of a bound pod is told, not bound to.
		if claims.Pod == nil {
			object, err := objects.GetNode(ctx, node.Name)
			if err := checkObject(object, err, *node, deadline, errNoBoundObject, errOtherObject); err != nil {
				return nil, err
			}
		}
		info.NodeName, info.NodeUID = node.Name, node.UID
	}
	return info, nil
}

// checkObject checks an object that has been looked up against the reference to
// it. The refusals are for one that is gone, and for another under the same name.
func checkObject(object metav1.Object, err error, ref reference, deadline time.Time, gone, other refusal) error {
	switch {
	case apierrors.IsNotFound(err):
		return gone
	case err != nil:
		return fmt.Errorf("looking up what a service account token is bound to: %w", err)
	case ref.UID == "":
		return errIncomplete
	case string(object.GetUID()) != ref.UID:
		return other
	}
	if deletion := object.GetDeletionTimestamp(); deletion != nil && deletion.Time.Before(deadline) {
		return gone
	}
	return nil
}
