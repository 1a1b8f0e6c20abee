// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func newAuthority(t *testing.T, dir string) *Authority {
	t.Helper()
	ca, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *Authority, dir, name string, req Request) Pair {
	t.Helper()
	pair, err := ca.Ensure(dir, name, req)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestServerAndClientTrustEachOther(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	server := issue(t, ca, dir, "server", Request{CommonName: "server", Hosts: []string{"127.0.0.1", "localhost"}})
	client := issue(t, ca, dir, "client", Request{CommonName: "alice", Organization: []string{"system:masters"}})

	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	serverPair, err := tls.LoadX509KeyPair(server.CertFile, server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.TLS.PeerCertificates[0].Subject
		if subject.CommonName != "alice" || subject.Organization[0] != "system:masters" {
			t.Errorf("server saw %v", subject)
		}
	}))
	ts.TLS = &tls.Config{Certificates: []tls.Certificate{serverPair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	ts.StartTLS()
	defer ts.Close()

	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := WriteKubeconfig(kubeconfig, "test", ts.URL, ca, client); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	httpClient := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}}
	resp, err := httpClient.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestEnsureKeepsWhatStillAnswers(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	req := Request{CommonName: "server", Hosts: []string{"10.0.0.1", "a"}}
	first := issue(t, ca, dir, "server", req)

	if again := newAuthority(t, dir); !bytes.Equal(again.CertPEM, ca.CertPEM) {
		t.Error("the authority was replaced")
	}
	if again := issue(t, ca, dir, "server", req); !bytes.Equal(again.CertPEM, first.CertPEM) {
		t.Error("an unchanged certificate was replaced")
	}
	req.Hosts = append(req.Hosts, "10.0.0.2")
	second := issue(t, ca, dir, "server", req)
	if bytes.Equal(second.CertPEM, first.CertPEM) {
		t.Error("a certificate without the new address was kept")
	}
	other := newAuthority(t, t.TempDir())
	if third := issue(t, other, dir, "server", req); bytes.Equal(third.CertPEM, second.CertPEM) {
		t.Error("a certificate of another authority was kept")
	}
}

func TestKeysAreForTheOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	private, public, err := EnsureSigningKey(dir, "sa")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(private)
	for _, path := range []string{ca.KeyFile, private} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, info.Mode())
		}
	}
	if _, _, err := EnsureSigningKey(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(private); !bytes.Equal(before, after) {
		t.Errorf("the signing key changed although %s exists", public)
	}
}
