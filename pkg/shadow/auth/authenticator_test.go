// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/klog/v2"
)

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// onBehalf are the headers of a front proxy.
func onBehalf(name string, groups ...string) http.Header {
	return http.Header{
		"X-Remote-User": {name}, "X-Remote-Uid": {"42"}, "X-Remote-Group": groups, "X-Remote-Extra-Scopes": {"all"},
	}
}

func with(headers ...http.Header) http.Header {
	out := http.Header{}
	for _, header := range headers {
		for name, values := range header {
			out[name] = values
		}
	}
	return out
}

func webSocket(protocols ...string) http.Header {
	return http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": protocols}
}

func TestOnlyTheKnownGetThrough(t *testing.T) {
	cluster, front, other := newAuthority("cluster"), newAuthority("front-proxy"), newAuthority("other")
	tokens := &knownTokens{users: map[string]user.Info{
		"good": &user.DefaultInfo{Name: "system:serviceaccount:app:web", Groups: []string{"system:serviceaccounts"}},
	}}
	address := serve(t, Config{
		Audiences:  authenticator.Audiences{"api"},
		ClientCA:   cluster.provider(),
		FrontProxy: &FrontProxy{CA: front.provider(), AllowedNames: []string{"link"}},
		Tokens:     tokens,
	})
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	early := func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }
	forServers := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	alice := cluster.client("alice", []string{"operators"})
	link := front.client("link", nil)
	masters := []string{"system:masters"}
	wsToken := "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte("good"))

	const nobody = "" // is who gets 401
	for name, c := range map[string]struct {
		path   string // /api if empty
		cert   *tls.Certificate
		header http.Header
		want   string
		groups []string // besides system:authenticated
	}{
		"nothing":                             {want: nobody},
		"client certificate":                  {cert: alice, want: "alice", groups: []string{"operators"}},
		"certificate of another CA":           {cert: other.client("alice", nil), want: nobody},
		"masters by another CA":               {cert: other.client("alice", masters), want: nobody},
		"masters by the front proxy's CA":     {cert: front.client("alice", masters), want: nobody},
		"masters as the link itself":          {cert: front.client("link", masters), want: nobody},
		"expired certificate":                 {cert: cluster.client("alice", nil, expired), want: nobody},
		"expired certificate of masters":      {cert: cluster.client("alice", masters, expired), want: nobody},
		"certificate of tomorrow":             {cert: cluster.client("alice", nil, early), want: nobody},
		"certificate of a server":             {cert: cluster.client("alice", nil, forServers), want: nobody},
		"certificate without a name":          {cert: cluster.client("", []string{"operators"}), want: nobody},
		"self-signed with the CA's name":      {cert: newAuthority("cluster").client("alice", masters), want: nobody},
		"bearer token":                        {header: bearer("good"), want: "system:serviceaccount:app:web", groups: []string{"system:serviceaccounts"}},
		"unknown bearer token":                {header: bearer("bad"), want: nobody},
		"empty bearer token":                  {header: bearer(""), want: nobody},
		"token under another scheme":          {header: http.Header{"Authorization": {"Basic good"}}, want: nobody},
		"token without scheme":                {header: http.Header{"Authorization": {"good"}}, want: nobody},
		"token in the URL":                    {path: "/api?access_token=good&token=good", want: nobody},
		"certificate and unknown token":       {cert: alice, header: bearer("bad"), want: "alice", groups: []string{"operators"}},
		"foreign certificate and good token":  {cert: other.client("x", masters), header: bearer("good"), want: "system:serviceaccount:app:web", groups: []string{"system:serviceaccounts"}},
		"WebSocket token":                     {header: webSocket(wsToken + ", v5.channel.k8s.io"), want: "system:serviceaccount:app:web", groups: []string{"system:serviceaccounts"}},
		"WebSocket token alone":               {header: webSocket(wsToken), want: nobody},
		"two WebSocket tokens":                {header: webSocket(wsToken, wsToken, "v5.channel.k8s.io"), want: nobody},
		"WebSocket token, badly encoded":      {header: webSocket("base64url.bearer.authorization.k8s.io.%%%", "v5.channel.k8s.io"), want: nobody},
		"WebSocket token, no WebSocket":       {header: http.Header{"Sec-Websocket-Protocol": {wsToken, "v5.channel.k8s.io"}}, want: nobody},
		"the link for bob":                    {cert: link, header: onBehalf("bob", "devs"), want: "bob", groups: []string{"devs"}},
		"the link for bob, with a token":      {cert: link, header: with(onBehalf("bob", "devs"), bearer("good")), want: "bob", groups: []string{"devs"}},
		"the link for nobody":                 {cert: link, want: nobody},
		"the link for groups":                 {cert: link, header: http.Header{"X-Remote-Group": masters}, want: nobody},
		"link, expired":                       {cert: front.client("link", nil, expired), header: onBehalf("bob"), want: nobody},
		"link, certificate of a server":       {cert: front.client("link", nil, forServers), header: onBehalf("bob"), want: nobody},
		"headers alone":                       {header: onBehalf("root", masters...), want: nobody},
		"headers and another CA's link":       {cert: other.client("link", nil), header: onBehalf("root", masters...), want: nobody},
		"headers and another name":            {cert: front.client("links", nil), header: onBehalf("root", masters...), want: nobody},
		"headers and no name":                 {cert: front.client("", nil), header: onBehalf("root", masters...), want: nobody},
		"headers and a name in other letters": {cert: front.client("Link", nil), header: onBehalf("root", masters...), want: nobody},
		"headers and the cluster CA's link":   {cert: cluster.client("link", nil), header: onBehalf("root", masters...), want: "link"},
		"headers and a client certificate":    {cert: alice, header: onBehalf("root", masters...), want: "alice", groups: []string{"operators"}},
		"headers and a token":                 {header: with(onBehalf("root", masters...), bearer("good")), want: "system:serviceaccount:app:web", groups: []string{"system:serviceaccounts"}},

		"a pod, nothing":                   {path: "/api/v1/namespaces/a/pods/b", want: nobody},
		"the root, nothing":                {path: "/", want: nobody},
		"metrics, nothing":                 {path: "/metrics", want: nobody},
		"OpenAPI, nothing":                 {path: "/openapi/v3", want: nobody},
		"health, nothing":                  {path: "/healthz", want: user.Anonymous},
		"liveness, nothing":                {path: "/livez?verbose", want: user.Anonymous},
		"a check of readiness, nothing":    {path: "/readyz/etcd", want: user.Anonymous},
		"version, nothing":                 {path: "/version", want: user.Anonymous},
		"version with a slash, nothing":    {path: "/version/", want: user.Anonymous},
		"below version, nothing":           {path: "/version/secrets", want: nobody},
		"like health, nothing":             {path: "/healthzz", want: nobody},
		"up from health, nothing":          {path: "/livez/../api/v1/secrets", want: nobody},
		"up from health, encoded, nothing": {path: "/livez/%2e%2e/api/v1/secrets", want: nobody},
		"slashes within health, nothing":   {path: "/livez//api", want: nobody},
		"slash before health, nothing":     {path: "//livez", want: nobody},
		"health, unknown token":            {path: "/healthz", header: bearer("bad"), want: nobody},
		"health, another CA":               {path: "/healthz", cert: other.client("alice", nil), want: nobody},
		"health, headers alone":            {path: "/healthz", header: onBehalf("root", masters...), want: user.Anonymous},
		"health, certificate":              {path: "/healthz", cert: alice, want: "alice", groups: []string{"operators"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" {
				c.path = "/api"
			}
			status, body, got := ask(t, address, c.path, c.cert, c.header)
			if c.want == nobody {
				if status != http.StatusUnauthorized {
					t.Fatalf("Answered %d to %q", status, got.Name)
				}
				for _, hint := range []string{"reason\":\"Unauthorized", `"message":"Unauthorized"`} {
					if !strings.Contains(body, hint) {
						t.Errorf("The answer lacks %s: %s", hint, body)
					}
				}
				for _, detail := range []string{"x509", "precise", "certificate", "token"} {
					if strings.Contains(body, detail) {
						t.Errorf("The answer tells of a %s: %s", detail, body)
					}
				}
				return
			}
			if status != http.StatusOK || got.Name != c.want {
				t.Fatalf("Answered %d to %q, want 200 to %q", status, got.Name, c.want)
			}
			groups := append(c.groups, user.AllAuthenticated)
			if c.want == user.Anonymous {
				groups = []string{user.AllUnauthenticated}
			}
			if diff := cmp.Diff(groups, got.Groups); diff != "" {
				t.Errorf("Groups (-want +got):\n%s", diff)
			}
			if got.Leftover != nil {
				t.Errorf("The request still has %q", got.Leftover)
			}
		})
	}

	_, _, got := ask(t, address, "/api", link, onBehalf("bob", "devs"))
	if got.UID != "42" || len(got.Extra["scopes"]) != 1 {
		t.Errorf("The link's bob has UID %q and extra %v", got.UID, got.Extra)
	}
}

func TestWithoutWaysToKnowAnyoneNobodyIsKnown(t *testing.T) {
	address := serve(t, Config{Audiences: authenticator.Audiences{"api"}})
	cert := newAuthority("cluster").client("alice", []string{"system:masters"})
	for name, header := range map[string]http.Header{"token": bearer("good"), "headers": onBehalf("root", "system:masters")} {
		if status, _, _ := ask(t, address, "/api", cert, header); status != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, status)
		}
	}
	if status, _, _ := ask(t, address, "/livez", nil, nil); status != http.StatusOK {
		t.Errorf("Health: answered %d", status)
	}
}

func TestWithoutFrontProxyItsHeadersAreIgnored(t *testing.T) {
	cluster := newAuthority("cluster")
	address := serve(t, Config{Audiences: authenticator.Audiences{"api"}, ClientCA: cluster.provider()})
	status, _, got := ask(t, address, "/api", cluster.client("alice", nil), onBehalf("root", "system:masters"))
	if status != http.StatusOK || got.Name != "alice" || got.Leftover != nil {
		t.Errorf("Answered %d to %+v", status, got)
	}
}

func TestTheClientCAIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.crt")
	former, next := newAuthority("cluster"), newAuthority("cluster")
	if err := os.WriteFile(path, former.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	provider, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", path)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, Config{Audiences: authenticator.Audiences{"api"}, ClientCA: provider})
	check := func(when string, formerWant, nextWant int) {
		t.Helper()
		if got, _, _ := ask(t, address, "/api", former.client("alice", nil), nil); got != formerWant {
			t.Errorf("%s a certificate of the former CA got %d, want %d", when, got, formerWant)
		}
		if got, _, _ := ask(t, address, "/api", next.client("alice", nil), nil); got != nextWant {
			t.Errorf("%s a certificate of the next CA got %d, want %d", when, got, nextWant)
		}
	}
	check("At first", http.StatusOK, http.StatusUnauthorized)
	for _, c := range []struct {
		when               string
		bundle             []byte
		formerWant, wanted int
	}{
		{"With both", append(former.pem(), next.pem()...), http.StatusOK, http.StatusOK},
		{"In the end", next.pem(), http.StatusUnauthorized, http.StatusOK},
	} {
		if err := os.WriteFile(path, c.bundle, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := provider.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(c.when, c.formerWant, c.wanted)
	}
}

func TestGoodTokensAreRememberedAndBadOnesAreNot(t *testing.T) {
	tokens := &knownTokens{users: map[string]user.Info{"good": &user.DefaultInfo{Name: "web"}}}
	address := serve(t, Config{Audiences: authenticator.Audiences{"api"}, Tokens: tokens})
	for range 3 {
		ask(t, address, "/api", nil, bearer("good"))
		ask(t, address, "/api", nil, bearer("bad"))
	}
	if diff := cmp.Diff(map[string]int{"good": 1, "bad": 3}, tokens.asked); diff != "" {
		t.Errorf("Looked at (-want +got):\n%s", diff)
	}
}

func TestTokenReviewsSeeTheSameTokens(t *testing.T) {
	tokens := &knownTokens{users: map[string]user.Info{"good": &user.DefaultInfo{Name: "web", Groups: []string{"a"}}}}
	a, err := NewAuthenticator(Config{Audiences: authenticator.Audiences{"api"}, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	response, ok, err := a.Token.AuthenticateToken(t.Context(), "good")
	if err != nil || !ok {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", user.AllAuthenticated}, response.User.GetGroups()); diff != "" {
		t.Errorf("Groups (-want +got):\n%s", diff)
	}
	if _, ok, err := a.Token.AuthenticateToken(t.Context(), "bad"); ok || err == nil || err.Error() != "precise reason" {
		t.Errorf("A bad token: %v, want the precise reason", err)
	}
}

func TestCredentialsAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	state := klog.CaptureState()
	t.Cleanup(state.Restore)
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL", "v": "2"} {
		if err := flags.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	klog.SetOutput(&log)
	a, err := NewAuthenticator(Config{Audiences: authenticator.Audiences{"api"}, Tokens: &knownTokens{}})
	if err != nil {
		t.Fatal(err)
	}
	const token = "s3cr3t-t0ken"
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://pool/api", nil))
	req.Header = bearer(token)
	if _, ok, err := a.Request.AuthenticateRequest(req); ok || err == nil || strings.Contains(err.Error(), "precise reason") {
		t.Errorf("Refused with %v, want no reason", err)
	}
	klog.Flush()
	if text := log.String(); !strings.Contains(text, "precise reason") || strings.Contains(text, token) {
		t.Errorf("The log must have the reason and not the token: %s", text)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	front := newAuthority("front-proxy").provider()
	audiences := authenticator.Audiences{"api"}
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no audience":     {Config{}, "audience"},
		"no CA":           {Config{Audiences: audiences, FrontProxy: &FrontProxy{AllowedNames: []string{"link"}}}, "CA of the front proxy"},
		"no allowed name": {Config{Audiences: audiences, FrontProxy: &FrontProxy{CA: front}}, "at least one allowed name"},
		"empty name":      {Config{Audiences: audiences, FrontProxy: &FrontProxy{CA: front, AllowedNames: []string{""}}}, "must not be empty"},
	} {
		if _, err := NewAuthenticator(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}
