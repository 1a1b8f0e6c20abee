// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	clocktesting "k8s.io/utils/clock/testing"
)

const (
	clusterIssuer = "https://kubernetes.default.svc.cluster.local"
	poolIssuer    = "https://kubernetes.pool.hangzhou.steppe.io"
	apiAudience   = "https://kubernetes.default.svc"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// Keys take long to make, so tests share them.
var (
	rsaKey      = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSAKey = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key     = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key     = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key     = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// keys is a KeySource that does not change.
type keys []PublicKey

func keysOf(signers ...crypto.Signer) keys {
	var out keys
	for _, signer := range signers {
		out = append(out, must(NewPublicKey(signer.Public())))
	}
	return out
}

func (k keys) Keys(_ context.Context, id string) []PublicKey { return withID(k, id) }

func keyID(signer crypto.Signer) string { return must(NewPublicKey(signer.Public())).ID }

// publicPEM is what a key file has of the keys.
func publicPEM(keys ...any) []byte {
	var out []byte
	for _, key := range keys {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})...)
	}
	return out
}

// memory is Objects in maps. A test changes what is in there.
type memory struct {
	accounts map[string]*corev1.ServiceAccount
	pods     map[string]*corev1.Pod
	secrets  map[string]*corev1.Secret
	nodes    map[string]*corev1.Node
	err      error // what every read answers, if set
	reads    int
}

var _ Objects = &memory{}

func (m *memory) GetServiceAccount(_ context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	return find(m, m.accounts, "serviceaccounts", namespace+"/"+name)
}

func (m *memory) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	return find(m, m.pods, "pods", namespace+"/"+name)
}

func (m *memory) GetSecret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	return find(m, m.secrets, "secrets", namespace+"/"+name)
}

func (m *memory) GetNode(_ context.Context, name string) (*corev1.Node, error) {
	return find(m, m.nodes, "nodes", name)
}

func find[T any](m *memory, objects map[string]*T, resource, key string) (*T, error) {
	m.reads++
	if m.err != nil {
		return nil, m.err
	}
	object, ok := objects[key]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, key)
	}
	return object, nil
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name)}
}

// world has the service account app/web, and a pod, a Secret and a node for it.
func world() *memory {
	return &memory{
		accounts: map[string]*corev1.ServiceAccount{"app/web": {ObjectMeta: meta("app", "web")}},
		pods: map[string]*corev1.Pod{"app/web-0": {
			ObjectMeta: meta("app", "web-0"),
			Spec:       corev1.PodSpec{ServiceAccountName: "web", NodeName: "edge-1"},
		}},
		secrets: map[string]*corev1.Secret{"app/web-secret": {ObjectMeta: meta("app", "web-secret"), Data: map[string][]byte{}}},
		nodes:   map[string]*corev1.Node{"edge-1": {ObjectMeta: meta("", "edge-1")}},
	}
}

// claims are those of a good token of app/web, with changes. A nil value takes
// the claim away.
func claims(changes ...map[string]any) map[string]any {
	out := map[string]any{
		"iss": clusterIssuer,
		"sub": "system:serviceaccount:app:web",
		"aud": []string{apiAudience},
		"iat": start.Unix(),
		"nbf": start.Unix(),
		"exp": start.Add(time.Hour).Unix(),
		"jti": "7e51",
		"kubernetes.io": map[string]any{
			"namespace":      "app",
			"serviceaccount": map[string]any{"name": "web", "uid": "uid-of-web"},
		},
	}
	for _, change := range changes {
		maps.Copy(out, change)
	}
	maps.DeleteFunc(out, func(_ string, value any) bool { return value == nil })
	return out
}

// private replaces what a token says beside the registered claims.
func private(changes map[string]any) map[string]any {
	inner := maps.Clone(claims()["kubernetes.io"].(map[string]any))
	maps.Copy(inner, changes)
	return map[string]any{"kubernetes.io": inner}
}

func ref(name, uid string) map[string]any { return map[string]any{"name": name, "uid": uid} }

// sign makes a token as an issuer does. The key's ID is in the header unless
// another is given.
func sign(signer crypto.Signer, algorithm jose.SignatureAlgorithm, claims any, kid ...string) string {
	id := keyID(signer)
	if len(kid) > 0 {
		id = kid[0]
	}
	key := jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: signer, KeyID: id}}
	return must(must(must(jose.NewSigner(key, nil)).Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func newTestVerifier(t *testing.T, objects Objects, trusts ...Trust) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{
		Trusts:    trusts,
		Audiences: authenticator.Audiences{apiAudience, "api"},
		Live:      objects,
		clock:     clocktesting.NewFakePassiveClock(start.Add(time.Minute)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func clusterTrust(keys KeySource) Trust {
	return Trust{Issuers: []string{clusterIssuer}, Keys: keys, Legacy: true}
}
