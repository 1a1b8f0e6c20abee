// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	apiserverserviceaccount "k8s.io/apiserver/pkg/authentication/serviceaccount"
	authenticationtokenjwt "k8s.io/apiserver/pkg/authentication/token/jwt"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

const (
	minExpirationSeconds     = 10 * 60
	maxExpirationSeconds     = 1 << 32
	defaultExpirationSeconds = 60 * 60
)

var tokenRequestKind = authenticationv1.SchemeGroupVersion.WithKind("TokenRequest")

// TokenREST is the subresource token of service accounts: it answers a
// TokenRequest with a token of the pool's issuer. As in kube-apiserver, a dry run
// gets a real token, since nothing is stored in either case.
type TokenREST struct {
	issuer    *Issuer
	audiences authenticator.Audiences
	objects   Objects
	clock     clock.PassiveClock
}

var (
	_ rest.NamedCreater                   = &TokenREST{}
	_ rest.GroupVersionKindProvider       = &TokenREST{}
	_ rest.SubresourceObjectMetaPreserver = &TokenREST{}
)

// NewTokenREST returns the subresource. The audiences are those of tokens whose
// requests name none. Objects must be live: a cache may not have the pod yet for
// which a kubelet asks.
func NewTokenREST(issuer *Issuer, audiences authenticator.Audiences, objects Objects) *TokenREST {
	return &TokenREST{issuer: issuer, audiences: audiences, objects: objects, clock: clock.RealClock{}}
}

// New returns what a request is decoded into.
func (r *TokenREST) New() runtime.Object { return &authenticationv1.TokenRequest{} }

// Destroy does nothing: there is nothing to give back.
func (r *TokenREST) Destroy() {}

// GroupVersionKind says that the subresource is of another group than its
// resource.
func (r *TokenREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return tokenRequestKind
}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate keeps the UID of a
// request, which says for which service account of that name it is.
func (r *TokenREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create issues a token.
func (r *TokenREST) Create(ctx context.Context, name string, obj runtime.Object, createValidation rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	request, ok := obj.(*authenticationv1.TokenRequest)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a TokenRequest: %T", obj))
	}
	namespace, ok := genericapirequest.NamespaceFrom(ctx)
	if !ok {
		return nil, apierrors.NewBadRequest("namespace is required")
	}
	if errs := validateTarget(request, namespace, name); len(errs) > 0 {
		return nil, apierrors.NewInvalid(tokenRequestKind.GroupKind(), name, errs)
	}
	account, err := r.objects.GetServiceAccount(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if request.UID != "" && request.UID != account.UID {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: tokenRequestKind.Group, Resource: tokenRequestKind.Kind}, name,
			fmt.Errorf("the UID in the token request (%s) does not match the UID of the service account (%s)", request.UID, account.UID))
	}

	now := r.clock.Now()
	r.complete(request, account, now)
	if errs := validateExpiration(*request.Spec.ExpirationSeconds); len(errs) > 0 {
		return nil, apierrors.NewInvalid(tokenRequestKind.GroupKind(), "", errs)
	}
	if createValidation != nil {
		if err := createValidation(ctx, request.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	claims := kubernetesClaims{
		Namespace:      namespace,
		ServiceAccount: reference{Name: account.Name, UID: string(account.UID)},
	}
	if err := r.bind(ctx, request.Spec.BoundObjectRef, &claims); err != nil {
		return nil, err
	}
	return r.issue(ctx, request, claims, now)
}

// validateTarget checks that a request is for the service account of the URL.
func validateTarget(request *authenticationv1.TokenRequest, namespace, name string) field.ErrorList {
	if request.Name != "" && request.Name != name {
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), request.Name, "must match the service account name if specified")}
	}
	if request.Namespace != "" && request.Namespace != namespace {
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "namespace"), request.Namespace, "must match the service account namespace if specified")}
	}
	return nil
}

// complete fills in what a request leaves open, and drops what it may not say.
func (r *TokenREST) complete(request *authenticationv1.TokenRequest, account *corev1.ServiceAccount, now time.Time) {
	request.Name, request.Namespace, request.UID = account.Name, account.Namespace, account.UID
	request.CreationTimestamp = metav1.NewTime(now)
	if len(request.Spec.Audiences) == 0 {
		request.Spec.Audiences = r.audiences
	}
	if request.Spec.ExpirationSeconds == nil {
		request.Spec.ExpirationSeconds = ptr.To[int64](defaultExpirationSeconds)
	}
	request.Status = authenticationv1.TokenRequestStatus{}
}

func validateExpiration(seconds int64) field.ErrorList {
	path := field.NewPath("spec", "expirationSeconds")
	switch {
	case seconds < minExpirationSeconds:
		return field.ErrorList{field.Invalid(path, seconds, "may not specify a duration less than 10 minutes")}
	case seconds > maxExpirationSeconds:
		return field.ErrorList{field.Invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")}
	}
	return nil
}

// bind adds the object that the token is to be bound to, which must exist.
func (r *TokenREST) bind(ctx context.Context, ref *authenticationv1.BoundObjectReference, claims *kubernetesClaims) error {
	if ref == nil {
		return nil
	}
	kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	var uid types.UID
	switch kind.GroupKind() {
	case schema.GroupKind{Kind: "Pod"}:
		pod, err := r.objects.GetPod(ctx, claims.Namespace, ref.Name)
		if err != nil {
			return err
		}
		if account := claims.ServiceAccount.Name; pod.Spec.ServiceAccountName != account {
			return apierrors.NewBadRequest(fmt.Sprintf("cannot bind token for serviceaccount %q to pod running with different serviceaccount name.", account))
		}
		if claims.Node, err = r.nodeOf(ctx, pod); err != nil {
			return err
		}
		uid = pod.UID
		claims.Pod = &reference{Name: pod.Name, UID: string(uid)}
	case schema.GroupKind{Kind: "Node"}:
		node, err := r.objects.GetNode(ctx, ref.Name)
		if err != nil {
			return err
		}
		uid = node.UID
		claims.Node = &reference{Name: node.Name, UID: string(uid)}
	case schema.GroupKind{Kind: "Secret"}:
		secret, err := r.objects.GetSecret(ctx, claims.Namespace, ref.Name)
		if err != nil {
			return err
		}
		uid = secret.UID
		claims.Secret = &reference{Name: secret.Name, UID: string(uid)}
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("cannot bind token to object of type %s", kind))
	}
	if ref.UID != "" && ref.UID != uid {
		return apierrors.NewConflict(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, ref.Name,
			fmt.Errorf("the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID))
	}
	return nil
}

// nodeOf returns what a token tells of the node of its pod, nil if the pod has
// none: the name alone if the node does not exist.
func (r *TokenREST) nodeOf(ctx context.Context, pod *corev1.Pod) (*reference, error) {
	if pod.Spec.NodeName == "" {
		return nil, nil
	}
	node, err := r.objects.GetNode(ctx, pod.Spec.NodeName)
	switch {
	case apierrors.IsNotFound(err):
		return &reference{Name: pod.Spec.NodeName}, nil
	case err != nil:
		return nil, apierrors.NewInternalError(err)
	}
	return &reference{Name: node.Name, UID: string(node.UID)}, nil
}

// issue signs the token and answers the request with it.
func (r *TokenREST) issue(ctx context.Context, request *authenticationv1.TokenRequest, claims kubernetesClaims, now time.Time) (*authenticationv1.TokenRequest, error) {
	seconds := *request.Spec.ExpirationSeconds
	if longest := int64(r.issuer.MaxLifetime() / time.Second); seconds > longest {
		warning.AddWarning(ctx, "", fmt.Sprintf("requested expiration of %d seconds shortened to %d seconds", seconds, longest))
		seconds = longest
	}
	id := string(uuid.NewUUID())
	expiry := now.Add(time.Duration(seconds) * time.Second)
	token, err := r.issuer.sign(jwt.Claims{
		Subject:   apiserverserviceaccount.MakeUsername(claims.Namespace, claims.ServiceAccount.Name),
		Audience:  jwt.Audience(request.Spec.Audiences),
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now),
		Expiry:    jwt.NewNumericDate(expiry),
		ID:        id,
	}, boundClaims{Kubernetes: claims})
	if err != nil {
		return nil, err
	}
	audit.AddAuditAnnotation(ctx, apiserverserviceaccount.IssuedCredentialIDAuditAnnotationKey, authenticationtokenjwt.CredentialIDForJTI(id))
	answer := request.DeepCopy()
	answer.Spec.ExpirationSeconds = &seconds
	answer.Status = authenticationv1.TokenRequestStatus{Token: token, ExpirationTimestamp: metav1.NewTime(expiry)}
	return answer, nil
}
