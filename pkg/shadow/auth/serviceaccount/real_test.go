// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/utils/ptr"

	"github.com/steppe-io/steppe/test/testcluster"
)

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// fromAPI is Objects as a real API server has them.
type fromAPI struct{ client kubernetes.Interface }

func (o fromAPI) GetServiceAccount(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return o.client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (o fromAPI) GetPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return o.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (o fromAPI) GetSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return o.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (o fromAPI) GetNode(ctx context.Context, name string) (*corev1.Node, error) {
	return o.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
}

// realWorld is a namespace of a real API server, with the service account web, its
// pod web-0 on node edge-<namespace>, and the Secret web-secret.
type realWorld struct {
	client    kubernetes.Interface
	namespace string
	node      string
	account   *corev1.ServiceAccount
	pod       *corev1.Pod
	secret    *corev1.Secret
	verifier  *Verifier
	audience  string // what tokens are for that name none
	signer    crypto.Signer
}

func newRealWorld(t *testing.T, namespace string) *realWorld {
	t.Helper()
	c := testcluster.Need(t, cluster)
	ctx := t.Context()
	w := &realWorld{client: must(kubernetes.NewForConfig(c.RESTConfig())), namespace: namespace, node: "edge-" + namespace}
	c.CreateNode(t, w.node, "")
	core := w.client.CoreV1()
	created := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created(core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-0"},
		Spec: corev1.PodSpec{
			ServiceAccountName:           "web",
			AutomountServiceAccountToken: ptr.To(false),
			NodeName:                     w.node,
			Containers:                   []corev1.Container{{Name: "c", Image: "c"}},
		},
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "web-secret"}}
	var err error
	w.account, err = core.ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	created(w.account, err)
	w.pod, err = core.Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	created(w.pod, err)
	w.secret, err = core.Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	created(w.secret, err)

	file, err := NewKeyFile(filepath.Join(c.PKIDir(), "sa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	w.signer = must(keyutil.ParsePrivateKeyPEM(must(os.ReadFile(filepath.Join(c.PKIDir(), "sa.key"))))).(crypto.Signer)
	w.audience = clusterIssuer // the default is the issuer
	w.verifier, err = NewVerifier(VerifierConfig{
		Trusts:    []Trust{clusterTrust(file)},
		Audiences: authenticator.Audiences{w.audience},
		Live:      fromAPI{w.client},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// review asks the real server.
func (w *realWorld) review(t *testing.T, token string, audiences ...string) authenticationv1.TokenReviewStatus {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	answer, err := w.client.AuthenticationV1().TokenReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status
}

// verdict is what the verifier says, in the form of a TokenReview, with the group
// that is added elsewhere.
func (w *realWorld) verdict(t *testing.T, token string, audiences ...string) authenticationv1.TokenReviewStatus {
	t.Helper()
	ctx := t.Context()
	if len(audiences) > 0 {
		ctx = authenticator.WithAudiences(ctx, audiences)
	}
	response, ok, err := w.verifier.AuthenticateToken(ctx, token)
	if !ok {
		return authenticationv1.TokenReviewStatus{Error: err.Error()}
	}
	status := authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: response.Audiences}
	status.User = authenticationv1.UserInfo{
		Username: response.User.GetName(),
		UID:      response.User.GetUID(),
		Groups:   append(response.User.GetGroups(), user.AllAuthenticated),
	}
	for key, values := range response.User.GetExtra() {
		if status.User.Extra == nil {
			status.User.Extra = map[string]authenticationv1.ExtraValue{}
		}
		status.User.Extra[key] = values
	}
	return status
}

func (w *realWorld) request(t *testing.T, spec authenticationv1.TokenRequestSpec) string {
	t.Helper()
	answer, err := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(t.Context(), "web", &authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.Token
}

func TestTokensOfARealServerGiveTheSameUser(t *testing.T) {
	w := newRealWorld(t, "same-user")
	for name, c := range map[string]struct {
		spec      authenticationv1.TokenRequestSpec
		audiences []string
	}{
		"unbound":           {},
		"bound to a pod":    {spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", "")}},
		"bound to a Secret": {spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Secret", "web-secret", "")}},
		"bound to a node":   {spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Node", w.node, "")}},
		"of an hour and 7 s, which is extended for a year": {
			spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", ""), ExpirationSeconds: ptr.To[int64](3607)},
		},
		"for another audience":   {spec: authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}}, audiences: []string{"vault"}},
		"for several audiences":  {spec: authenticationv1.TokenRequestSpec{Audiences: []string{"vault", clusterIssuer, "db"}}, audiences: []string{"db", "vault", "x"}},
		"for the wrong audience": {spec: authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}}},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.request(t, c.spec)
			want, got := w.review(t, token, c.audiences...), w.verdict(t, token, c.audiences...)
			if want.Authenticated == (name == "for the wrong audience") {
				t.Fatalf("The real server says %v", want)
			}
			want.Error, got.Error = "", "" // ours repeats nothing of the token
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-real +ours):\n%s", diff)
			}
		})
	}
}

// Signed with the real server's own key, they are what it would never issue.
func TestHandMadeTokensAreJudgedAsByARealServer(t *testing.T) {
	w := newRealWorld(t, "hand-made")
	now := time.Now()
	private := map[string]any{
		"namespace":      w.namespace,
		"serviceaccount": ref("web", string(w.account.UID)),
	}
	base := map[string]any{
		"iss": clusterIssuer, "aud": []string{w.audience}, "sub": "system:serviceaccount:hand-made:web",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "kubernetes.io": private,
	}
	change := func(changes map[string]any) map[string]any {
		out := map[string]any{}
		for _, source := range []map[string]any{base, changes} {
			for key, value := range source {
				out[key] = value
			}
		}
		for key, value := range out {
			if value == nil {
				delete(out, key)
			}
		}
		return out
	}
	bind := func(kind, name, uid string) map[string]any {
		inner := map[string]any{kind: ref(name, uid)}
		for key, value := range private {
			inner[key] = value
		}
		return change(map[string]any{"kubernetes.io": inner})
	}
	rs256 := func(claims any, kid ...string) string { return sign(w.signer, jose.RS256, claims, kid...) }
	good := rs256(base)
	parts := strings.Split(good, ".")
	legacy := map[string]any{
		"iss": LegacyIssuer, "sub": "system:serviceaccount:hand-made:web",
		"kubernetes.io/serviceaccount/namespace":            w.namespace,
		"kubernetes.io/serviceaccount/secret.name":          "kept",
		"kubernetes.io/serviceaccount/service-account.name": "web",
		"kubernetes.io/serviceaccount/service-account.uid":  string(w.account.UID),
	}
	if _, err := w.client.CoreV1().Secrets(w.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "kept", Annotations: map[string]string{corev1.ServiceAccountNameKey: "web"}},
		Type:       corev1.SecretTypeServiceAccountToken,
		Data:       map[string][]byte{corev1.ServiceAccountTokenKey: []byte(rs256(legacy))},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		token    string
		accepted bool
		stricter bool // we refuse what the real server accepts
	}{
		"as it should be":             {token: good, accepted: true},
		"without key ID":              {token: rs256(base, ""), accepted: true},
		"signed with RS512":           {token: sign(w.signer, jose.RS512, base), accepted: true},
		"signed with PS256":           {token: sign(w.signer, jose.PS256, base), accepted: true, stricter: true},
		"just expired":                {token: rs256(change(map[string]any{"exp": now.Add(-30 * time.Second).Unix()})), accepted: true},
		"expired":                     {token: rs256(change(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}))},
		"not valid yet":               {token: rs256(change(map[string]any{"nbf": now.Add(3 * time.Minute).Unix()}))},
		"issued in the future":        {token: rs256(change(map[string]any{"iat": now.Add(3 * time.Minute).Unix()}))},
		"does not expire":             {token: rs256(change(map[string]any{"exp": nil})), accepted: true, stricter: true},
		"without audience":            {token: rs256(change(map[string]any{"aud": nil})), accepted: true, stricter: true},
		"subject of another":          {token: rs256(change(map[string]any{"sub": "system:serviceaccount:hand-made:x"})), accepted: true, stricter: true},
		"wrong audience":              {token: rs256(change(map[string]any{"aud": []string{"vault"}}))},
		"wrong issuer":                {token: rs256(change(map[string]any{"iss": "https://elsewhere"}))},
		"wrong UID":                   {token: rs256(change(map[string]any{"kubernetes.io": map[string]any{"namespace": w.namespace, "serviceaccount": ref("web", "x")}}))},
		"unknown key ID":              {token: rs256(base, "unknown")},
		"unknown key":                 {token: sign(otherRSAKey(), jose.RS256, base)},
		"unknown key under known ID":  {token: sign(otherRSAKey(), jose.RS256, base, keyID(w.signer))},
		"alg none":                    {token: forge(map[string]any{"alg": "none"}, base, nil)},
		"HS256 with the public key":   {token: hs256(map[string]any{"alg": "HS256", "kid": keyID(w.signer)}, base, must(os.ReadFile(filepath.Join(cluster.PKIDir(), "sa.pub"))))},
		"tampered with":               {token: parts[0] + "." + encode(change(map[string]any{"sub": "system:serviceaccount:kube-system:root"})) + "." + parts[2]},
		"10,000 dots":                 {token: strings.Repeat(".", 10_000)},
		"garbage":                     {token: "garbage"},
		"bound to the pod":            {token: rs256(bind("pod", "web-0", string(w.pod.UID))), accepted: true},
		"bound to a former pod":       {token: rs256(bind("pod", "web-0", "x"))},
		"bound to no pod":             {token: rs256(bind("pod", "web-9", "x"))},
		"bound to the Secret":         {token: rs256(bind("secret", "web-secret", string(w.secret.UID))), accepted: true},
		"bound to a former Secret":    {token: rs256(bind("secret", "web-secret", "x"))},
		"bound to a former node":      {token: rs256(bind("node", w.node, "x"))},
		"kept in a Secret":            {token: rs256(legacy), accepted: true},
		"not what its Secret has":     {token: rs256(legacy, "")},
		"of the pool's issuer":        {token: sign(p256Key(), jose.ES256, change(map[string]any{"iss": poolIssuer}))},
		"named twice in the payload":  {token: rs256Raw(w.signer, `{"iss":"`+clusterIssuer+`","iss":"`+clusterIssuer+`"}`)},
		"bound to an unknown kind":    {token: rs256(bind("volume", "v", "x")), accepted: true},
		"warned about its age before": {token: rs256(bindWarning(base, private, now.Add(-time.Minute))), accepted: true},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := w.review(t, c.token), w.verdict(t, c.token)
			if want.Authenticated != c.accepted {
				t.Fatalf("The real server says %v, %q", want.Authenticated, want.Error)
			}
			if c.stricter {
				if got.Authenticated {
					t.Error("Accepted, and it is said to be refused")
				}
				return
			}
			got.Error, want.Error = "", ""
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-real +ours):\n%s", diff)
			}
		})
	}
}

func rs256Raw(signer crypto.Signer, payload string) string {
	key := jose.SigningKey{Algorithm: jose.RS256, Key: signer}
	return must(must(must(jose.NewSigner(key, nil)).Sign([]byte(payload))).CompactSerialize())
}

func bindWarning(base, private map[string]any, at time.Time) map[string]any {
	inner := map[string]any{"warnafter": at.Unix()}
	for key, value := range private {
		inner[key] = value
	}
	out := map[string]any{"kubernetes.io": inner}
	for key, value := range base {
		if key != "kubernetes.io" {
			out[key] = value
		}
	}
	return out
}

func TestDeletionsEndRealTokens(t *testing.T) {
	w := newRealWorld(t, "deletions")
	pod := w.request(t, authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Pod", "web-0", "")})
	secret := w.request(t, authenticationv1.TokenRequestSpec{BoundObjectRef: bound("Secret", "web-secret", "")})
	unbound := w.request(t, authenticationv1.TokenRequestSpec{})
	check := func(what, token string, want error) {
		t.Helper()
		if _, _, err := w.verifier.AuthenticateToken(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for what, token := range map[string]string{"pod": pod, "Secret": secret, "account": unbound} {
		check(what, token, nil)
	}
	now := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
	core := w.client.CoreV1()
	if err := errors.Join(
		core.Pods(w.namespace).Delete(t.Context(), "web-0", now),
		core.Secrets(w.namespace).Delete(t.Context(), "web-secret", now),
	); err != nil {
		t.Fatal(err)
	}
	check("Pod deleted", pod, errNoBoundObject)
	check("Secret deleted", secret, errNoBoundObject)
	check("Neither concerns it", unbound, nil)
	if err := core.ServiceAccounts(w.namespace).Delete(t.Context(), "web", now); err != nil {
		t.Fatal(err)
	}
	check("Account deleted", unbound, errNoAccount)
	again := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	if _, err := core.ServiceAccounts(w.namespace).Create(t.Context(), again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	check("Account made again", unbound, errOtherAccount)
}

func TestTokenRequestsAreAnsweredAsByARealServer(t *testing.T) {
	w := newRealWorld(t, "requests")
	issuer, err := NewIssuer(IssuerConfig{URL: poolIssuer, Store: &memoryStore{}, MaxLifetime: 2 * maxExpirationSeconds * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	load(t, issuer)
	ours := NewTokenREST(issuer, authenticator.Audiences{w.audience}, fromAPI{w.client})
	if _, err := w.client.CoreV1().ServiceAccounts(w.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	type spec = authenticationv1.TokenRequestSpec
	for name, c := range map[string]struct {
		account string // web if empty
		meta    metav1.ObjectMeta
		spec    spec
		dryRun  bool
	}{
		"empty":                        {},
		"dry run":                      {dryRun: true},
		"with audiences":               {spec: spec{Audiences: []string{"vault", "db"}}},
		"with an empty audience":       {spec: spec{Audiences: []string{""}}},
		"10 minutes":                   {spec: spec{ExpirationSeconds: ptr.To[int64](600)}},
		"less than 10 minutes":         {spec: spec{ExpirationSeconds: ptr.To[int64](599)}},
		"no time at all":               {spec: spec{ExpirationSeconds: ptr.To[int64](0)}},
		"negative time":                {spec: spec{ExpirationSeconds: ptr.To[int64](-1)}},
		"the longest time":             {spec: spec{ExpirationSeconds: ptr.To[int64](1 << 32)}},
		"longer than that":             {spec: spec{ExpirationSeconds: ptr.To[int64](1<<32 + 1)}},
		"no such account":              {account: "none"},
		"matching name":                {meta: metav1.ObjectMeta{Name: "web", Namespace: w.namespace, UID: w.account.UID}},
		"other name":                   {meta: metav1.ObjectMeta{Name: "other"}},
		"other UID":                    {meta: metav1.ObjectMeta{UID: "x"}},
		"labelled":                     {meta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}},
		"bound to the pod":             {spec: spec{BoundObjectRef: bound("Pod", "web-0", string(w.pod.UID))}},
		"bound to a former pod":        {spec: spec{BoundObjectRef: bound("Pod", "web-0", "x")}},
		"bound to no pod":              {spec: spec{BoundObjectRef: bound("Pod", "none", "")}},
		"bound to another's pod":       {account: "other", spec: spec{BoundObjectRef: bound("Pod", "web-0", "")}},
		"bound to the Secret":          {spec: spec{BoundObjectRef: bound("Secret", "web-secret", "")}},
		"bound to a former Secret":     {spec: spec{BoundObjectRef: bound("Secret", "web-secret", "x")}},
		"bound to no Secret":           {spec: spec{BoundObjectRef: bound("Secret", "none", "")}},
		"bound to the node":            {spec: spec{BoundObjectRef: bound("Node", w.node, "")}},
		"bound to a former node":       {spec: spec{BoundObjectRef: bound("Node", w.node, "x")}},
		"bound to no node":             {spec: spec{BoundObjectRef: bound("Node", "none", "")}},
		"bound to a ConfigMap":         {spec: spec{BoundObjectRef: bound("ConfigMap", "x", "")}},
		"bound to a kind of apps":      {spec: spec{BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "x"}}},
		"bound to a pod of version v2": {spec: spec{BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v2", Kind: "Pod", Name: "web-0"}}},
		"bound to an empty reference":  {spec: spec{BoundObjectRef: &authenticationv1.BoundObjectReference{}}},
		"wrong time and wrong pod":     {spec: spec{ExpirationSeconds: ptr.To[int64](1), BoundObjectRef: bound("Pod", "none", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.account == "" {
				c.account = "web"
			}
			options := metav1.CreateOptions{}
			if c.dryRun {
				options.DryRun = []string{metav1.DryRunAll}
			}
			request := &authenticationv1.TokenRequest{ObjectMeta: c.meta, Spec: c.spec}
			real, realErr := w.client.CoreV1().ServiceAccounts(w.namespace).CreateToken(t.Context(), c.account, request.DeepCopy(), options)
			ctx := genericapirequest.WithNamespace(t.Context(), w.namespace)
			object, err := ours.Create(ctx, c.account, request.DeepCopy(), nil, &options)

			if diff := cmp.Diff(statusOf(realErr), statusOf(err)); diff != "" {
				t.Fatalf("Errors (-real +ours):\n%s", diff)
			}
			if err != nil {
				return
			}
			our := object.(*authenticationv1.TokenRequest)
			if (real.Status.Token == "") != (our.Status.Token == "") {
				t.Errorf("The real server gives a token of %d bytes, ours one of %d", len(real.Status.Token), len(our.Status.Token))
			}
			if apart := our.Status.ExpirationTimestamp.Sub(real.Status.ExpirationTimestamp.Time).Abs(); apart > 10*time.Second {
				t.Errorf("The tokens expire %v apart", apart)
			}
			for _, answer := range []*authenticationv1.TokenRequest{real, our} {
				answer.Status = authenticationv1.TokenRequestStatus{}
				answer.CreationTimestamp = metav1.Time{}
				answer.TypeMeta = metav1.TypeMeta{}
				answer.ManagedFields = nil // the handler's
			}
			if diff := cmp.Diff(real, our); diff != "" {
				t.Errorf("(-real +ours):\n%s", diff)
			}
		})
	}
}

// statusOf is what a client is told of an error.
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
	return out
}
