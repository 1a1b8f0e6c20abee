// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(name string) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) provider() dynamiccertificates.CAContentProvider {
	return must(dynamiccertificates.NewStaticCAContent("test", a.pem()))
}

// client issues a certificate for that name and groups, with changes.
func (a *authority) client(name string, groups []string, changes ...func(*x509.Certificate)) *tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// knownTokens authenticates tokens by name, and counts how often it is asked.
type knownTokens struct {
	mu    sync.Mutex
	users map[string]user.Info
	asked map[string]int
}

func (k *knownTokens) AuthenticateToken(_ context.Context, token string) (*authenticator.Response, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked == nil {
		k.asked = map[string]int{}
	}
	k.asked[token]++
	info, ok := k.users[token]
	if !ok {
		return nil, false, errors.New("precise reason")
	}
	return &authenticator.Response{User: info, Audiences: authenticator.Audiences{"api"}}, true, nil
}

// serve runs a server that the authenticator is applied to, and returns its
// address. It answers with the user that makes the request.
func serve(t *testing.T, config Config) string {
	t.Helper()
	a, err := NewAuthenticator(config)
	if err != nil {
		t.Fatal(err)
	}
	identity := newAuthority("server").client("server", nil)
	keyDER := must(x509.MarshalECPrivateKey(identity.PrivateKey.(*ecdsa.PrivateKey)))
	serving := &genericapiserver.SecureServingInfo{
		Listener: must(net.Listen("tcp", "127.0.0.1:0")),
		Cert: must(dynamiccertificates.NewStaticCertKeyContent("server",
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.Certificate[0]}),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))),
	}
	var info genericapiserver.AuthenticationInfo
	if err := a.ApplyTo(&info, serving); err != nil {
		t.Fatal(err)
	}

	scheme := runtime.NewScheme()
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{})
	failed := genericapifilters.Unauthorized(serializer.NewCodecFactory(scheme))
	handler := genericapifilters.WithAuthentication(http.HandlerFunc(tellUser), info.Authenticator, failed, info.APIAudiences, info.RequestHeaderConfig)
	handler = genericapifilters.WithRequestInfo(handler, &request.RequestInfoFactory{
		APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
	})
	stop := make(chan struct{})
	stopped, _, err := serving.Serve(handler, 0, stop)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	return serving.Listener.Addr().String()
}

// told is what the server says of a request that gets through.
type told struct {
	Name, UID string
	Groups    []string
	Extra     map[string][]string
	Leftover  []string // headers with credentials that are still there
}

func tellUser(w http.ResponseWriter, req *http.Request) {
	info, _ := request.UserFrom(req.Context())
	out := told{Name: info.GetName(), UID: info.GetUID(), Groups: info.GetGroups(), Extra: info.GetExtra()}
	for _, name := range []string{"Authorization", "X-Remote-User", "X-Remote-Uid", "X-Remote-Group", "X-Remote-Extra-Scopes"} {
		if _, there := req.Header[name]; there {
			out.Leftover = append(out.Leftover, name)
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// ask makes a request with that certificate and those headers.
func ask(t *testing.T, address, path string, cert *tls.Certificate, header http.Header) (int, string, told) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true} // the server is not what is tested
	if cert != nil {
		// Sent whatever the server asks for, as one would who tries.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+path, nil))
	if header != nil {
		req.Header = header
	}
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := must(io.ReadAll(response.Body))
	var out told
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, string(body), out
}
