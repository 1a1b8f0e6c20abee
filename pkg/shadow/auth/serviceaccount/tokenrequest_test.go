// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

func newTestTokenREST(t *testing.T, objects Objects) (*TokenREST, *Verifier) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(start)
	issuer := newTestIssuer(t, &memoryStore{}, clock)
	load(t, issuer)
	r := NewTokenREST(issuer, authenticator.Audiences{apiAudience, "api"}, objects)
	r.clock = clock
	v := newTestVerifier(t, objects, Trust{Issuers: []string{poolIssuer}, Keys: issuer})
	v.clock = clock
	return r, v
}

func request(t *testing.T, r *TokenREST, spec authenticationv1.TokenRequestSpec) (*authenticationv1.TokenRequest, error) {
	t.Helper()
	ctx := genericapirequest.WithNamespace(t.Context(), "app")
	out, err := r.Create(ctx, "web", &authenticationv1.TokenRequest{Spec: spec}, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return out.(*authenticationv1.TokenRequest), nil
}

func bound(kind, name, uid string) *authenticationv1.BoundObjectReference {
	return &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: kind, Name: name, UID: types.UID(uid)}
}

func TestIssuedTokensAreAcceptedUntilTheyExpire(t *testing.T) {
	r, v := newTestTokenREST(t, world())
	answer, err := request(t, r, authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", "uid-of-web-0")})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Name != "web" || answer.Namespace != "app" || answer.UID != "uid-of-web" {
		t.Errorf("Answered with metadata %v", answer.ObjectMeta)
	}
	if diff := cmp.Diff([]string{apiAudience, "api"}, answer.Spec.Audiences); diff != "" {
		t.Errorf("Audiences (-want +got):\n%s", diff)
	}
	if got := answer.Status.ExpirationTimestamp.Time; !got.Equal(start.Add(time.Hour)) {
		t.Errorf("Expires at %v, want an hour after %v", got, start)
	}
	response, _, err := v.AuthenticateToken(t.Context(), answer.Status.Token)
	if err != nil {
		t.Fatal(err)
	}
	extra := response.User.GetExtra()
	const prefix = "authentication.kubernetes.io/"
	if got := extra[prefix+"credential-id"]; len(got) != 1 || !strings.HasPrefix(got[0], "JTI=") {
		t.Errorf("Credential ID %q", got)
	}
	delete(extra, prefix+"credential-id")
	want := map[string][]string{
		prefix + "pod-name": {"web-0"}, prefix + "pod-uid": {"uid-of-web-0"},
		prefix + "node-name": {"edge-1"}, prefix + "node-uid": {"uid-of-edge-1"},
	}
	if diff := cmp.Diff(want, extra); diff != "" {
		t.Errorf("Extra (-want +got):\n%s", diff)
	}
	v.clock = clocktesting.NewFakePassiveClock(start.Add(time.Hour + Leeway + time.Second))
	if _, _, err := v.AuthenticateToken(t.Context(), answer.Status.Token); !errors.Is(err, errExpired) {
		t.Errorf("After its time: %v, want %v", err, errExpired)
	}
}

func TestTokensAreBoundToWhatIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		ref    *authenticationv1.BoundObjectReference
		remove func(*memory)
		want   error
	}{
		"nothing":     {nil, func(m *memory) { clear(m.accounts) }, errNoAccount},
		"a pod":       {bound("Pod", "web-0", ""), func(m *memory) { clear(m.pods) }, errNoBoundObject},
		"a Secret":    {bound("Secret", "web-secret", "uid-of-web-secret"), func(m *memory) { clear(m.secrets) }, errNoBoundObject},
		"a node":      {bound("Node", "edge-1", "uid-of-edge-1"), func(m *memory) { clear(m.nodes) }, errNoBoundObject},
		"a new pod":   {bound("Pod", "web-0", ""), func(m *memory) { m.pods["app/web-0"].UID = "new" }, errOtherObject},
		"new account": {nil, func(m *memory) { m.accounts["app/web"].UID = "new" }, errOtherAccount},
	} {
		objects := world()
		r, v := newTestTokenREST(t, objects)
		answer, err := request(t, r, authenticationv1.TokenRequestSpec{BoundObjectRef: c.ref})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, _, err := v.AuthenticateToken(t.Context(), answer.Status.Token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.remove(objects)
		if _, _, err := v.AuthenticateToken(t.Context(), answer.Status.Token); !errors.Is(err, c.want) {
			t.Errorf("%s, removed: %v, want %v", name, err, c.want)
		}
	}
}

func TestAPodOfAnUnknownNodeGetsATokenWithTheNodesName(t *testing.T) {
	objects := world()
	clear(objects.nodes)
	r, v := newTestTokenREST(t, objects)
	answer, err := request(t, r, authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", "")})
	if err != nil {
		t.Fatal(err)
	}
	response, _, err := v.AuthenticateToken(t.Context(), answer.Status.Token)
	if err != nil {
		t.Fatal(err)
	}
	extra := response.User.GetExtra()
	if len(extra["authentication.kubernetes.io/node-name"]) != 1 || extra["authentication.kubernetes.io/node-uid"] != nil {
		t.Errorf("Extra %v, want a node's name and no UID", extra)
	}
}

type warnings []string

func (w *warnings) AddWarning(_, text string) { *w = append(*w, text) }

func TestTheLifetimeIsLimitedWithAWarning(t *testing.T) {
	r, _ := newTestTokenREST(t, world())
	var got warnings
	ctx := warning.WithWarningRecorder(genericapirequest.WithNamespace(t.Context(), "app"), &got)
	long := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](7 * 24 * 3600)}}
	out, err := r.Create(ctx, "web", long, nil, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	answer := out.(*authenticationv1.TokenRequest)
	if *answer.Spec.ExpirationSeconds != 86400 || !answer.Status.ExpirationTimestamp.Time.Equal(start.Add(24*time.Hour)) {
		t.Errorf("Lives %d seconds until %v, want a day", *answer.Spec.ExpirationSeconds, answer.Status.ExpirationTimestamp)
	}
	if diff := cmp.Diff(warnings{"requested expiration of 604800 seconds shortened to 86400 seconds"}, got); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
	var claims jwt.Claims
	if err := must(jwt.ParseSigned(answer.Status.Token, algorithms)).UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	if !claims.Expiry.Time().Equal(start.Add(24 * time.Hour)) {
		t.Errorf("The token itself expires at %v", claims.Expiry.Time())
	}
}

func TestNoTokenIsIssuedWhenItCannotBeRight(t *testing.T) {
	ctx := genericapirequest.WithNamespace(t.Context(), "app")
	refused := errors.New("admission says no")
	for name, c := range map[string]struct {
		ctx    context.Context
		object runtime.Object
		change func(*TokenREST, *memory)
		admit  rest.ValidateObjectFunc
		want   func(error) bool
	}{
		"no namespace":         {ctx: t.Context(), want: apierrors.IsBadRequest},
		"another kind":         {object: &corev1.Pod{}, want: apierrors.IsBadRequest},
		"refused by admission": {admit: func(context.Context, runtime.Object) error { return refused }, want: func(err error) bool { return errors.Is(err, refused) }},
		"no keys yet": {
			change: func(r *TokenREST, _ *memory) {
				r.issuer = newTestIssuer(t, &memoryStore{}, clocktesting.NewFakePassiveClock(start))
			},
			want: apierrors.IsServiceUnavailable,
		},
		"node cannot be read": {
			object: &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", "")}},
			change: func(r *TokenREST, m *memory) { r.objects = nodesFail{m} },
			want:   apierrors.IsInternalError,
		},
	} {
		objects := world()
		r, _ := newTestTokenREST(t, objects)
		if c.change != nil {
			c.change(r, objects)
		}
		if c.ctx == nil {
			c.ctx = ctx
		}
		if c.object == nil {
			c.object = &authenticationv1.TokenRequest{}
		}
		if _, err := r.Create(c.ctx, "web", c.object, c.admit, &metav1.CreateOptions{}); !c.want(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

type nodesFail struct{ *memory }

func (nodesFail) GetNode(context.Context, string) (*corev1.Node, error) {
	return nil, errors.New("no quorum")
}

func TestObjectsOfAServerAreReadOnceItHasStorages(t *testing.T) {
	var storage Storage
	if _, err := storage.Live().GetPod(t.Context(), "app", "web-0"); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("Before: %v, want it to be unavailable", err)
	}
	objects := world()
	getter := getterFunc(func(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
		if name == "as-cached" && options.ResourceVersion != "0" || name == "as-live" && options.ResourceVersion != "" {
			t.Errorf("Read %s with resource version %q", name, options.ResourceVersion)
		}
		if genericapirequest.NamespaceValue(ctx) == "" {
			return objects.nodes["edge-1"], nil
		}
		return objects.pods["app/web-0"], nil
	})
	storage.Install(Getters{ServiceAccounts: getter, Pods: getter, Secrets: getter, Nodes: getter})
	for name, reader := range map[string]Objects{"as-cached": storage.Cached(), "as-live": storage.Live()} {
		if pod, err := reader.GetPod(t.Context(), "app", name); err != nil || pod.Name != "web-0" {
			t.Errorf("Pod %s: %v, %v", name, pod, err)
		}
		if node, err := reader.GetNode(genericapirequest.WithNamespace(t.Context(), "app"), name); err != nil || node.Name != "edge-1" {
			t.Errorf("Node %s: %v, %v", name, node, err)
		}
		if _, err := reader.GetSecret(t.Context(), "app", name); !apierrors.IsInternalError(err) {
			t.Errorf("A Secret that is a pod: %v", err)
		}
		if _, err := reader.GetServiceAccount(t.Context(), "app", name); !apierrors.IsInternalError(err) {
			t.Errorf("A service account that is a pod: %v", err)
		}
	}
}

type getterFunc func(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error)

func (f getterFunc) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return f(ctx, name, options)
}
