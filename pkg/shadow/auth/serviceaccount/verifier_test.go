// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

func TestAcceptsEveryKindOfKey(t *testing.T) {
	for name, c := range map[string]struct {
		signer    crypto.Signer
		algorithm jose.SignatureAlgorithm
	}{
		"RS256": {rsaKey(), jose.RS256},
		"RS384": {rsaKey(), jose.RS384},
		"RS512": {rsaKey(), jose.RS512},
		"ES256": {p256Key(), jose.ES256},
		"ES384": {p384Key(), jose.ES384},
		"ES512": {p521Key(), jose.ES512},
	} {
		t.Run(name, func(t *testing.T) {
			all := keysOf(otherRSAKey(), p256Key(), rsaKey(), p384Key(), p521Key())
			v := newTestVerifier(t, world(), clusterTrust(all))
			for _, kid := range []string{keyID(c.signer), ""} {
				response, ok, err := v.AuthenticateToken(t.Context(), sign(c.signer, c.algorithm, claims(), kid))
				if err != nil || !ok {
					t.Fatalf("With key ID %q: %v", kid, err)
				}
				want := &authenticator.Response{
					Audiences: authenticator.Audiences{apiAudience},
					User: &user.DefaultInfo{
						Name:   "system:serviceaccount:app:web",
						UID:    "uid-of-web",
						Groups: []string{"system:serviceaccounts", "system:serviceaccounts:app"},
						Extra:  map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=7e51"}},
					},
				}
				if diff := cmp.Diff(want, response); diff != "" {
					t.Errorf("Response (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func encode(part any) string {
	return base64.RawURLEncoding.EncodeToString(must(json.Marshal(part)))
}

// forge makes a token with any header and signature.
func forge(header, payload any, signature []byte) string {
	return encode(header) + "." + encode(payload) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// hs256 signs as if the bytes of a public key were a shared secret.
func hs256(header, payload any, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(encode(header) + "." + encode(payload)))
	return forge(header, payload, mac.Sum(nil))
}

func TestRefusesForgedTokens(t *testing.T) {
	good := sign(rsaKey(), jose.RS256, claims())
	parts := strings.Split(good, ".")
	der := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	kid := keyID(rsaKey())
	embedded := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: otherRSAKey()}, &jose.SignerOptions{EmbedJWK: true}))
	withJWK := must(must(embedded.Sign(must(json.Marshal(claims())))).CompactSerialize())

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":                    {"", errMalformed},
		"garbage":                  {"not-a-token", errMalformed},
		"binary garbage":           {"\x00\xff.\x00\xff.\x00\xff", errMalformed},
		"two parts":                {parts[0] + "." + parts[1], errMalformed},
		"four parts":               {good + ".more", errMalformed},
		"10,000 dots":              {strings.Repeat(".", 10_000), errMalformed},
		"a million dots":           {strings.Repeat(".", 1_000_000), errTooLong},
		"header is not JSON":       {encode("x")[:3] + "." + parts[1] + "." + parts[2], errMalformed},
		"payload is not an object": {sign(rsaKey(), jose.RS256, []string{"x"}), errMalformed},
		"claims of a wrong type":   {sign(rsaKey(), jose.RS256, claims(map[string]any{"exp": "soon"})), errSignature},
		"encrypted":                {"a.b.c.d.e", errMalformed},
		"JSON serialization":       {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, errMalformed},
		"too long":                 {sign(rsaKey(), jose.RS256, claims(map[string]any{"jti": strings.Repeat("x", maxTokenBytes)})), errTooLong},

		"alg none":                       {forge(map[string]any{"alg": "none"}, claims(), nil), errAlgorithm},
		"alg None":                       {forge(map[string]any{"alg": "None"}, claims(), nil), errAlgorithm},
		"alg none with the signature":    {encode(map[string]any{"alg": "none"}) + "." + parts[1] + "." + parts[2], errAlgorithm},
		"no alg":                         {forge(map[string]any{"kid": kid}, claims(), nil), errAlgorithm},
		"no signature":                   {parts[0] + "." + parts[1] + ".", errSignature},
		"HS256 with the key's PEM":       {hs256(map[string]any{"alg": "HS256", "kid": kid}, claims(), publicPEM(rsaKey().Public())), errAlgorithm},
		"HS256 with the key's DER":       {hs256(map[string]any{"alg": "HS256"}, claims(), der), errAlgorithm},
		"HMAC under the name of RS256":   {hs256(map[string]any{"alg": "RS256", "kid": kid}, claims(), der), errSignature},
		"PS256":                          {sign(rsaKey(), jose.PS256, claims()), errAlgorithm},
		"ES256 for an RSA key":           {sign(p256Key(), jose.ES256, claims(), kid), errSignature},
		"RS256 for an EC key":            {sign(rsaKey(), jose.RS256, claims(), keyID(p384Key())), errSignature},
		"another curve than the key's":   {sign(p256Key(), jose.ES256, claims(), keyID(p384Key())), errSignature},
		"wrong key":                      {sign(otherRSAKey(), jose.RS256, claims(), ""), errSignature},
		"wrong key under a known ID":     {sign(otherRSAKey(), jose.RS256, claims(), kid), errSignature},
		"known key under another's ID":   {sign(rsaKey(), jose.RS256, claims(), keyID(p384Key())), errSignature},
		"known key under an unknown ID":  {sign(rsaKey(), jose.RS256, claims(), "mine"), errUnknownKey},
		"key ID like a path":             {sign(otherRSAKey(), jose.RS256, claims(), "../../etc/hostname"), errUnknownKey},
		"unknown key":                    {sign(otherRSAKey(), jose.RS256, claims()), errUnknownKey},
		"key of its own in the header":   {withJWK, errSignature},
		"critical header":                {forge(map[string]any{"alg": "RS256", "kid": kid, "crit": []string{"exp"}, "exp": 1}, claims(), []byte("x")), errSignature},
		"payload tampered with":          {parts[0] + "." + encode(claims(map[string]any{"sub": "system:serviceaccount:kube-system:root"})) + "." + parts[2], errSignature},
		"header tampered with":           {encode(map[string]any{"alg": "RS256", "kid": kid, "x": 1}) + "." + parts[1] + "." + parts[2], errSignature},
		"signature of another token":     {parts[0] + "." + parts[1] + "." + strings.Split(sign(rsaKey(), jose.RS256, claims(map[string]any{"jti": "1"})), ".")[2], errSignature},
		"other issuer":                   {sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": "https://elsewhere"})), errIssuer},
		"issuer of another pool":         {sign(p256Key(), jose.ES256, claims(map[string]any{"iss": "https://kubernetes.pool.ningbo.steppe.io"})), errIssuer},
		"issuer with a slash more":       {sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": clusterIssuer + "/"})), errIssuer},
		"no issuer":                      {sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": nil})), errIssuer},
		"pool's key, cluster's issuer":   {sign(p521Key(), jose.ES512, claims(), ""), errSignature},
		"pool's key ID, same":            {sign(p521Key(), jose.ES512, claims()), errUnknownKey},
		"cluster's key, pool's issuer":   {sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": poolIssuer})), errUnknownKey},
		"pool's key, issuer of Secrets":  {sign(p521Key(), jose.ES512, claims(map[string]any{"iss": LegacyIssuer})), errUnknownKey},
		"expired":                        {sign(rsaKey(), jose.RS256, claims(map[string]any{"exp": start.Add(-time.Second).Unix()})), errExpired},
		"does not expire":                {sign(rsaKey(), jose.RS256, claims(map[string]any{"exp": nil})), errNoExpiry},
		"expires never":                  {sign(rsaKey(), jose.RS256, claims(map[string]any{"exp": json.Number("1e300")})), errSignature},
		"not valid yet":                  {sign(rsaKey(), jose.RS256, claims(map[string]any{"nbf": start.Add(2*time.Minute + time.Second).Unix()})), errNotYetValid},
		"issued in the future":           {sign(rsaKey(), jose.RS256, claims(map[string]any{"iat": start.Add(2*time.Minute + time.Second).Unix()})), errNotYetValid},
		"other audience":                 {sign(rsaKey(), jose.RS256, claims(map[string]any{"aud": []string{"vault"}})), errAudience},
		"no audience":                    {sign(rsaKey(), jose.RS256, claims(map[string]any{"aud": nil})), errAudience},
		"part of an audience":            {sign(rsaKey(), jose.RS256, claims(map[string]any{"aud": apiAudience[:5]})), errAudience},
		"other subject":                  {sign(rsaKey(), jose.RS256, claims(map[string]any{"sub": "system:serviceaccount:app:other"})), errSubject},
		"subject that is no account":     {sign(rsaKey(), jose.RS256, claims(map[string]any{"sub": "system:admin"})), errSubject},
		"no subject":                     {sign(rsaKey(), jose.RS256, claims(map[string]any{"sub": nil})), errSubject},
		"namespace in another's subject": {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"namespace": "kube-system"}))), errSubject},
		"account of another namespace":   {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"namespace": "prod"}), map[string]any{"sub": "system:serviceaccount:prod:web"})), errNoAccount},
		"no private claims":              {sign(rsaKey(), jose.RS256, claims(map[string]any{"kubernetes.io": nil})), errIncomplete},
		"no UID":                         {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"serviceaccount": ref("web", "")}))), errIncomplete},
		"other UID":                      {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"serviceaccount": ref("web", "uid-of-former")}))), errOtherAccount},
		"no such pod":                    {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"pod": ref("web-9", "uid-of-web-9")}))), errNoBoundObject},
		"other pod of that name":         {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"pod": ref("web-0", "uid-of-former")}))), errOtherObject},
		"pod without UID":                {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"pod": ref("web-0", "")}))), errIncomplete},
		"no such Secret":                 {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"secret": ref("none", "uid-of-none")}))), errNoBoundObject},
		"other Secret of that name":      {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"secret": ref("web-secret", "uid-of-former")}))), errOtherObject},
		"no such node":                   {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"node": ref("edge-9", "uid-of-edge-9")}))), errNoBoundObject},
		"other node of that name":        {sign(rsaKey(), jose.RS256, claims(private(map[string]any{"node": ref("edge-1", "uid-of-former")}))), errOtherObject},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, world(),
				clusterTrust(keysOf(rsaKey(), p384Key())),
				Trust{Issuers: []string{poolIssuer}, Keys: keysOf(p521Key())})
			response, ok, err := v.AuthenticateToken(t.Context(), c.token)
			if ok || response != nil {
				t.Fatalf("Accepted, as %v", response.User)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("Refused with %v, want %v", err, c.want)
			}
		})
	}
}

func TestRefusesWhenTheKeyIsNamedTwice(t *testing.T) {
	header := `{"alg":"RS256","kid":"a","kid":"` + keyID(rsaKey()) + `"}`
	token := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + encode(claims()) + ".eA"
	v := newTestVerifier(t, world(), clusterTrust(keysOf(rsaKey())))
	if _, ok, err := v.AuthenticateToken(t.Context(), token); ok || !errors.Is(err, errMalformed) {
		t.Errorf("Refused with %v, want %v", err, errMalformed)
	}
}

func TestClocksMayDifferByTheLeeway(t *testing.T) {
	now := start.Add(time.Minute) // the verifier's
	v := newTestVerifier(t, world(), clusterTrust(keysOf(rsaKey())))
	for name, change := range map[string]map[string]any{
		"just expired":            {"exp": now.Add(-Leeway).Unix()},
		"valid in a moment":       {"nbf": now.Add(Leeway).Unix()},
		"issued in a moment":      {"iat": now.Add(Leeway).Unix()},
		"neither nbf nor iat":     {"nbf": nil, "iat": nil},
		"a single audience":       {"aud": apiAudience},
		"one of several audience": {"aud": []string{"vault", "api"}},
	} {
		if _, _, err := v.AuthenticateToken(t.Context(), sign(rsaKey(), jose.RS256, claims(change))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFollowsTheLifeOfWhatATokenIsBoundTo(t *testing.T) {
	now := start.Add(time.Minute) // the verifier's
	deleted := func(at time.Time) *metav1.Time { return &metav1.Time{Time: at} }
	pod := private(map[string]any{"pod": ref("web-0", "uid-of-web-0"), "node": ref("edge-1", "uid-of-edge-1")})
	secret := private(map[string]any{"secret": ref("web-secret", "uid-of-web-secret")})
	node := private(map[string]any{"node": ref("edge-1", "uid-of-edge-1")})

	for name, c := range map[string]struct {
		private map[string]any
		change  func(*memory)
		want    error
	}{
		"all there, bound to nothing":   {nil, nil, nil},
		"all there, bound to a pod":     {pod, nil, nil},
		"all there, bound to a Secret":  {secret, nil, nil},
		"all there, bound to a node":    {node, nil, nil},
		"account deleted":               {pod, func(m *memory) { clear(m.accounts) }, errNoAccount},
		"account made again":            {pod, func(m *memory) { m.accounts["app/web"].UID = "new" }, errOtherAccount},
		"account's deletion is over":    {nil, func(m *memory) { m.accounts["app/web"].DeletionTimestamp = deleted(now.Add(-Leeway - 1)) }, errNoAccount},
		"account's deletion is not":     {nil, func(m *memory) { m.accounts["app/web"].DeletionTimestamp = deleted(now.Add(-Leeway + 1)) }, nil},
		"pod deleted":                   {pod, func(m *memory) { clear(m.pods) }, errNoBoundObject},
		"pod made again":                {pod, func(m *memory) { m.pods["app/web-0"].UID = "new" }, errOtherObject},
		"pod in its grace period":       {pod, func(m *memory) { m.pods["app/web-0"].DeletionTimestamp = deleted(now.Add(time.Second)) }, nil},
		"pod past its grace period":     {pod, func(m *memory) { m.pods["app/web-0"].DeletionTimestamp = deleted(now.Add(-Leeway - 1)) }, errNoBoundObject},
		"Secret deleted":                {secret, func(m *memory) { clear(m.secrets) }, errNoBoundObject},
		"Secret made again":             {secret, func(m *memory) { m.secrets["app/web-secret"].UID = "new" }, errOtherObject},
		"Secret's deletion is over":     {secret, func(m *memory) { m.secrets["app/web-secret"].DeletionTimestamp = deleted(start.Add(-time.Hour)) }, errNoBoundObject},
		"node deleted":                  {node, func(m *memory) { clear(m.nodes) }, errNoBoundObject},
		"node made again":               {node, func(m *memory) { m.nodes["edge-1"].UID = "new" }, errOtherObject},
		"node's deletion is over":       {node, func(m *memory) { m.nodes["edge-1"].DeletionTimestamp = deleted(start.Add(-time.Hour)) }, errNoBoundObject},
		"the pod's node is only told":   {pod, func(m *memory) { clear(m.nodes) }, nil},
		"objects cannot be read at all": {pod, func(m *memory) { m.err = apierrors.NewServiceUnavailable("no quorum") }, apierrors.NewServiceUnavailable("no quorum")},
	} {
		t.Run(name, func(t *testing.T) {
			objects := world()
			if c.change != nil {
				c.change(objects)
			}
			v := newTestVerifier(t, objects, clusterTrust(keysOf(rsaKey())))
			_, ok, err := v.AuthenticateToken(t.Context(), sign(rsaKey(), jose.RS256, claims(c.private)))
			switch {
			case c.want == nil && (err != nil || !ok):
				t.Errorf("Refused: %v", err)
			case c.want != nil && (ok || err == nil || !strings.Contains(err.Error(), c.want.Error())):
				t.Errorf("Refused with %v, want %v", err, c.want)
			}
		})
	}
}

func TestTellsPodAndNodeOfABoundToken(t *testing.T) {
	v := newTestVerifier(t, world(), clusterTrust(keysOf(rsaKey())))
	const prefix = "authentication.kubernetes.io/"
	for name, c := range map[string]struct {
		private map[string]any
		want    map[string][]string
	}{
		"pod": {
			map[string]any{"pod": ref("web-0", "uid-of-web-0"), "node": ref("edge-1", "uid-of-edge-1")},
			map[string][]string{
				prefix + "pod-name": {"web-0"}, prefix + "pod-uid": {"uid-of-web-0"},
				prefix + "node-name": {"edge-1"}, prefix + "node-uid": {"uid-of-edge-1"},
			},
		},
		"pod of a node that did not exist": {
			map[string]any{"pod": ref("web-0", "uid-of-web-0"), "node": map[string]any{"name": "edge-7"}},
			map[string][]string{prefix + "pod-name": {"web-0"}, prefix + "pod-uid": {"uid-of-web-0"}, prefix + "node-name": {"edge-7"}},
		},
		"node": {
			map[string]any{"node": ref("edge-1", "uid-of-edge-1")},
			map[string][]string{prefix + "node-name": {"edge-1"}, prefix + "node-uid": {"uid-of-edge-1"}},
		},
		"Secret": {map[string]any{"secret": ref("web-secret", "uid-of-web-secret")}, map[string][]string{}},
	} {
		response, _, err := v.AuthenticateToken(t.Context(), sign(rsaKey(), jose.RS256, claims(private(c.private))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.want[prefix+"credential-id"] = []string{"JTI=7e51"}
		if diff := cmp.Diff(c.want, response.User.GetExtra()); diff != "" {
			t.Errorf("%s: extra (-want +got):\n%s", name, diff)
		}
	}
}

func TestAsksForTheAudiencesOfTheContext(t *testing.T) {
	v := newTestVerifier(t, world(), clusterTrust(keysOf(rsaKey())))
	token := sign(rsaKey(), jose.RS256, claims(map[string]any{"aud": []string{"vault", apiAudience}}))
	for name, c := range map[string]struct {
		asked, want authenticator.Audiences
	}{
		"the token's other audience": {authenticator.Audiences{"vault", "db"}, authenticator.Audiences{"vault"}},
		"both":                       {authenticator.Audiences{apiAudience, "vault"}, authenticator.Audiences{apiAudience, "vault"}},
		"neither":                    {authenticator.Audiences{"db"}, nil},
	} {
		response, ok, err := v.AuthenticateToken(authenticator.WithAudiences(t.Context(), c.asked), token)
		if c.want == nil {
			if ok || !errors.Is(err, errAudience) {
				t.Errorf("%s: refused with %v, want %v", name, err, errAudience)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, response.Audiences); diff != "" {
			t.Errorf("%s: audiences (-want +got):\n%s", name, diff)
		}
	}
}

func TestLooksUpLiveWhatTheCacheDoesNotConfirm(t *testing.T) {
	token := sign(rsaKey(), jose.RS256, claims(private(map[string]any{"pod": ref("web-0", "uid-of-web-0")})))
	verifier := func(cached, live *memory) *Verifier {
		v := newTestVerifier(t, live, clusterTrust(keysOf(rsaKey())))
		v.cached = cached
		return v
	}
	stale := world()
	clear(stale.pods)
	if _, _, err := verifier(stale, world()).AuthenticateToken(t.Context(), token); err != nil {
		t.Errorf("A pod that the cache does not have yet: %v", err)
	}
	former := world()
	former.pods["app/web-0"].UID = "former"
	if _, _, err := verifier(former, world()).AuthenticateToken(t.Context(), token); err != nil {
		t.Errorf("A pod that the cache has under its former UID: %v", err)
	}
	live := world()
	if _, _, err := verifier(world(), live).AuthenticateToken(t.Context(), token); err != nil || live.reads > 0 {
		t.Errorf("A pod that the cache has: %v, and %d live reads, want none", err, live.reads)
	}
	clear(live.pods)
	if _, _, err := verifier(stale, live).AuthenticateToken(t.Context(), token); !errors.Is(err, errNoBoundObject) {
		t.Errorf("A pod that is gone: %v, want %v", err, errNoBoundObject)
	}
}

func TestConfigurationOfTheVerifierIsChecked(t *testing.T) {
	good := VerifierConfig{Audiences: authenticator.Audiences{"api"}, Live: world()}
	for name, c := range map[string]struct {
		change func(*VerifierConfig)
		want   string
	}{
		"no audience":  {func(c *VerifierConfig) { c.Audiences = nil }, "audience"},
		"no objects":   {func(c *VerifierConfig) { c.Live = nil }, "objects"},
		"no keys":      {func(c *VerifierConfig) { c.Trusts = []Trust{{Issuers: []string{"a"}}} }, "keys"},
		"empty issuer": {func(c *VerifierConfig) { c.Trusts = []Trust{{Issuers: []string{""}, Keys: keys{}}} }, "must not be empty"},
		"issuer in two": {func(c *VerifierConfig) {
			c.Trusts = []Trust{{Issuers: []string{"a"}, Keys: keys{}}, {Issuers: []string{"a"}, Keys: keys{}}}
		}, "given once"},
		"Secrets by two": {func(c *VerifierConfig) {
			c.Trusts = []Trust{{Legacy: true, Keys: keys{}}, {Legacy: true, Keys: keys{}}}
		}, "given once"},
	} {
		config := good
		c.change(&config)
		if _, err := NewVerifier(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, c.want)
		}
	}
}

func TestRefusalsRepeatNothingOfTheToken(t *testing.T) {
	v := newTestVerifier(t, world(), clusterTrust(keysOf(rsaKey())))
	const marker = "s3cr3t"
	for name, token := range map[string]string{
		"malformed": marker + "." + marker + "." + marker,
		"issuer":    sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": marker})),
		"audience":  sign(rsaKey(), jose.RS256, claims(map[string]any{"aud": marker})),
		"UID":       sign(rsaKey(), jose.RS256, claims(private(map[string]any{"serviceaccount": ref("web", marker)}))),
		"algorithm": forge(map[string]any{"alg": marker}, claims(), nil),
	} {
		_, _, err := v.AuthenticateToken(t.Context(), token)
		if err == nil || strings.Contains(err.Error(), marker) || strings.Contains(err.Error(), "uid-of-web") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func legacyToken(changes map[string]any) string {
	content := map[string]any{
		"iss":                                    LegacyIssuer,
		"sub":                                    "system:serviceaccount:app:web",
		"kubernetes.io/serviceaccount/namespace": "app",
		"kubernetes.io/serviceaccount/secret.name":          "web-secret",
		"kubernetes.io/serviceaccount/service-account.name": "web",
		"kubernetes.io/serviceaccount/service-account.uid":  "uid-of-web",
	}
	for key, value := range changes {
		content[key] = value
	}
	return sign(rsaKey(), jose.RS256, content)
}

func TestTokensInSecrets(t *testing.T) {
	good := legacyToken(nil)
	keep := func(token string) func(*memory) {
		return func(m *memory) { m.secrets["app/web-secret"].Data[corev1.ServiceAccountTokenKey] = []byte(token) }
	}
	with := func(change func(*memory)) func(*memory) {
		return func(m *memory) { keep(good)(m); change(m) }
	}
	for name, c := range map[string]struct {
		token  string
		change func(*memory)
		want   error
	}{
		"kept in its Secret":     {good, keep(good), nil},
		"not in its Secret":      {good, func(*memory) {}, errNotInSecret},
		"replaced in its Secret": {good, keep(legacyToken(map[string]any{"n": 2})), errNotInSecret},
		"Secret deleted":         {good, with(func(m *memory) { clear(m.secrets) }), errNoBoundObject},
		"Secret being deleted":   {good, with(func(m *memory) { m.secrets["app/web-secret"].DeletionTimestamp = &metav1.Time{Time: start} }), errNoBoundObject},
		"Secret marked as invalid": {good, with(func(m *memory) {
			m.secrets["app/web-secret"].Labels = map[string]string{invalidSinceLabel: "2026-01-01"}
		}), errMarkedAsInvalid},
		"account deleted":         {good, with(func(m *memory) { clear(m.accounts) }), errNoAccount},
		"account being deleted":   {good, with(func(m *memory) { m.accounts["app/web"].DeletionTimestamp = &metav1.Time{Time: start} }), errNoAccount},
		"account made again":      {good, with(func(m *memory) { m.accounts["app/web"].UID = "new" }), errOtherAccount},
		"other subject":           {legacyToken(map[string]any{"sub": "system:serviceaccount:app:root"}), func(*memory) {}, errSubject},
		"no Secret named":         {legacyToken(map[string]any{"kubernetes.io/serviceaccount/secret.name": ""}), func(*memory) {}, errIncomplete},
		"claims of a bound token": {sign(rsaKey(), jose.RS256, claims(map[string]any{"iss": LegacyIssuer})), func(*memory) {}, errIncomplete},
		"expired all the same":    {legacyToken(map[string]any{"exp": start.Add(-time.Hour).Unix()}), func(*memory) {}, errExpired},
		"other audience":          {legacyToken(map[string]any{"aud": "vault"}), func(*memory) {}, errAudience},
	} {
		t.Run(name, func(t *testing.T) {
			objects := world()
			c.change(objects)
			response, ok, err := newTestVerifier(t, objects, clusterTrust(keysOf(rsaKey()))).AuthenticateToken(t.Context(), c.token)
			if c.want != nil {
				if ok || !errors.Is(err, c.want) {
					t.Errorf("Refused with %v, want %v", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := response.User.GetName(); got != "system:serviceaccount:app:web" || response.User.GetUID() != "uid-of-web" {
				t.Errorf("Accepted as %v", response.User)
			}
		})
	}

	t.Run("only for the API server", func(t *testing.T) {
		objects := world()
		keep(good)(objects)
		v := newTestVerifier(t, objects, clusterTrust(keysOf(rsaKey())))
		ctx := authenticator.WithAudiences(t.Context(), authenticator.Audiences{"vault"})
		if _, ok, err := v.AuthenticateToken(ctx, good); ok || !errors.Is(err, errAudience) {
			t.Errorf("Refused with %v, want %v", err, errAudience)
		}
	})
	t.Run("not if not trusted", func(t *testing.T) {
		objects := world()
		keep(good)(objects)
		trust := clusterTrust(keysOf(rsaKey()))
		trust.Legacy = false
		if _, ok, err := newTestVerifier(t, objects, trust).AuthenticateToken(t.Context(), good); ok || !errors.Is(err, errIssuer) {
			t.Errorf("Refused with %v, want %v", err, errIssuer)
		}
	})
}
