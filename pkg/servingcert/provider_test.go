// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	certutil "k8s.io/client-go/util/cert"
)

var names = []string{"server.ns.svc", "localhost"}

// issue renews data at a time, and fails the test if that fails.
func issue(t *testing.T, data map[string][]byte, at time.Time) (map[string][]byte, bool) {
	t.Helper()
	out, changed, err := renewed(data, names, at)
	if err != nil {
		t.Fatal(err)
	}
	return out, changed
}

// trusted says whether a client that trusts the CA of one Secret accepts the
// certificate of another.
func trusted(t *testing.T, ca, leaf map[string][]byte, at time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca[keyCACert]) {
		t.Fatal("no CA")
	}
	certs, err := certutil.ParseCertsPEM(leaf[keyTLSCert])
	if err != nil {
		t.Fatal(err)
	}
	_, err = certs[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: names[0], CurrentTime: at})
	return err
}

func TestRenewal(t *testing.T) {
	start := time.Now()
	first, _ := issue(t, nil, start)
	if err := trusted(t, first, first, start); err != nil {
		t.Fatal(err)
	}
	if _, changed := issue(t, first, start.Add(leafLifetime/2)); changed {
		t.Error("renewed in the middle of its life")
	}

	late := start.Add(leafLifetime * 3 / 4)
	second, changed := issue(t, first, late)
	if !changed || !bytes.Equal(first[keyCACert], second[keyCACert]) {
		t.Error("want a new certificate of the same CA towards the end of its life")
	}
	if err := trusted(t, first, second, late); err != nil {
		t.Errorf("who trusts the CA must trust the new certificate: %v", err)
	}

	later := start.Add(caLifetime * 3 / 4)
	third, _ := issue(t, second, later)
	if bytes.Equal(second[keyCAKey], third[keyCAKey]) {
		t.Fatal("want a new CA towards the end of its life")
	}
	middle := start.Add(caLifetime / 2)
	behind, _ := issue(t, first, middle) // by a replica that has not heard of the new CA
	if err := trusted(t, third, behind, middle); err != nil {
		t.Errorf("certificates of the CA before must stay trusted: %v", err)
	}

	afterAll := start.Add(caLifetime * 5 / 4)
	last, _ := issue(t, third, afterAll)
	authorities, err := certutil.ParseCertsPEM(last[keyCACert])
	if err != nil {
		t.Fatal(err)
	}
	if len(authorities) != 1 {
		t.Errorf("%d CAs are trusted, want those that have expired to be gone", len(authorities))
	}
}

func TestRenewalRepairs(t *testing.T) {
	now := time.Now()
	other, _ := issue(t, nil, now)
	cases := []struct {
		name, reason string
		damage       func(data map[string][]byte)
	}{
		{"no key", "a server cannot start without", func(data map[string][]byte) { delete(data, keyTLSKey) }},
		{"no CA", "nobody could verify", func(data map[string][]byte) { delete(data, keyCACert) }},
		{"no CA key", "the next certificate could not be signed", func(data map[string][]byte) { delete(data, keyCAKey) }},
		{"nonsense", "somebody edited it", func(data map[string][]byte) { data[keyTLSCert] = []byte("nonsense") }},
		{"key of another", "the pair does not work", func(data map[string][]byte) { data[keyTLSKey] = other[keyTLSKey] }},
		{"certificate of another CA", "it is not trusted", func(data map[string][]byte) {
			data[keyTLSCert], data[keyTLSKey] = other[keyTLSCert], other[keyTLSKey]
		}},
		{"CA key of another", "it would sign what nobody trusts", func(data map[string][]byte) { data[keyCAKey] = other[keyCAKey] }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			data, _ := issue(t, nil, now)
			c.damage(data)
			repaired, changed := issue(t, data, now)
			if !changed {
				t.Fatalf("not repaired, but %s", c.reason)
			}
			if err := trusted(t, repaired, repaired, now); err != nil {
				t.Error(err)
			}
			if _, again := issue(t, repaired, now); again {
				t.Error("repaired twice")
			}
		})
	}
	data, _ := issue(t, nil, now)
	if _, changed, err := renewed(data, append(names, "further.name"), now); err != nil || !changed {
		t.Errorf("want a new certificate for a further name: changed %v, %v", changed, err)
	}
}

func newProvider(t *testing.T, objects ...runtime.Object) (*Provider, *fake.Clientset, *dynamicfake.FakeDynamicClient) {
	t.Helper()
	client := fake.NewClientset()
	dynamicClient := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{apiServices: "APIServiceList"}, objects...)
	return New(Config{Namespace: "ns", Secret: "certs", DNSNames: names, APIServices: []string{"v1.example.com"}}, client, dynamicClient), client, dynamicClient
}

func apiService(spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1.example.com"}, "spec": spec,
	}}
}

type listener struct{ calls atomic.Int32 }

func (l *listener) Enqueue() { l.calls.Add(1) }

func TestProviderKeepsSecretAndAPIService(t *testing.T) {
	p, client, dynamicClient := newProvider(t, apiService(map[string]any{"group": "example.com"}))
	l := &listener{}
	p.AddListener(l)
	p.check(t.Context())
	cert, key := p.CurrentCertKeyContent()
	secret, err := client.CoreV1().Secrets("ns").Get(t.Context(), "certs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(secret.Data[keyTLSCert], cert) || !bytes.Equal(secret.Data[keyTLSKey], key) || secret.Type != corev1.SecretTypeTLS {
		t.Error("the secret does not hold what is served")
	}
	service, err := dynamicClient.Resource(apiServices).Get(t.Context(), "v1.example.com", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bundle, _, _ := unstructured.NestedString(service.Object, "spec", "caBundle")
	if want := base64.StdEncoding.EncodeToString(secret.Data[keyCACert]); bundle != want {
		t.Errorf("caBundle is %q", bundle)
	}
	if group, _, _ := unstructured.NestedString(service.Object, "spec", "group"); group != "example.com" {
		t.Error("the rest of the APIService was changed")
	}

	dynamicClient.ClearActions()
	p.check(t.Context())
	for _, action := range dynamicClient.Actions() {
		if action.GetVerb() != "get" {
			t.Errorf("%s although nothing has changed", action.GetVerb())
		}
	}
	if calls := l.calls.Load(); calls != 1 {
		t.Errorf("the listener was called %d times, want once", calls)
	}

	// Somebody deletes the secret.
	if err := client.CoreV1().Secrets("ns").Delete(t.Context(), "certs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.check(t.Context())
	if renewed, _ := p.CurrentCertKeyContent(); bytes.Equal(renewed, cert) || l.calls.Load() != 2 {
		t.Error("want a new certificate, and the listener told")
	}
}

// TestProviderLosesRace has another replica create the secret first.
func TestProviderLosesRace(t *testing.T) {
	p, client, _ := newProvider(t)
	winner, _ := issue(t, nil, time.Now())
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "certs"}, Data: winner}
		if err := client.Tracker().Add(secret); err != nil {
			t.Error(err)
		}
		return true, nil, apierrors.NewAlreadyExists(corev1.Resource("secrets"), "certs")
	})
	if err := p.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cert, _ := p.CurrentCertKeyContent(); !bytes.Equal(cert, winner[keyTLSCert]) {
		t.Error("want the winner's certificate")
	}
}

// TestProviderOutlivesTrouble keeps serving what it has while the kube-apiserver
// does not answer.
func TestProviderOutlivesTrouble(t *testing.T) {
	p, client, _ := newProvider(t)
	client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("no answer")
	})
	if err := p.RunOnce(t.Context()); err == nil {
		t.Fatal("want an error when there is no certificate to begin with")
	}
	client.ReactionChain = client.ReactionChain[1:]
	if err := p.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	cert, _ := p.CurrentCertKeyContent()
	client.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("no answer")
	})
	ctx, cancel := context.WithCancel(t.Context())
	p.check(ctx)
	cancel()
	p.Run(ctx, 1) // returns as its context is done
	if still, _ := p.CurrentCertKeyContent(); !bytes.Equal(cert, still) {
		t.Error("the certificate was lost")
	}
}
