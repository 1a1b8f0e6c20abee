// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	apiserverserviceaccount "k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// Leeway is how far the clocks of who issues and who verifies may be apart.
	// A token is good for that much longer, and before its time. It is what
	// kube-apiserver grants.
	Leeway = time.Minute

	// maxTokenBytes is far above any real token, which has about one kilobyte.
	maxTokenBytes = 16 << 10
)

// algorithms are those that some acceptable key signs with. The one of a token
// must also fit the key.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// Trust says which keys sign for which issuers.
type Trust struct {
	// Issuers are the values of the claim iss.
	Issuers []string
	// Keys sign for these issuers and no others.
	Keys KeySource
	// Legacy accepts the tokens that are kept in Secrets, signed by these keys.
	Legacy bool
}

// VerifierConfig describes a Verifier.
type VerifierConfig struct {
	// Trusts may not share issuers.
	Trusts []Trust
	// Audiences are those of the API server: what a token must be for unless the
	// context asks for others.
	Audiences authenticator.Audiences
	// Live reads objects as they are now.
	Live Objects
	// Cached reads objects as they were a moment ago. What it does not confirm is
	// looked up in Live. Nil if there is none.
	Cached Objects

	clock clock.PassiveClock // nil for the real one
}

// Verifier authenticates service accounts by their tokens.
type Verifier struct {
	trusts    map[string]Trust
	audiences authenticator.Audiences
	live      Objects
	cached    Objects
	clock     clock.PassiveClock
}

var _ authenticator.Token = &Verifier{}

// NewVerifier returns a Verifier.
func NewVerifier(config VerifierConfig) (*Verifier, error) {
	if len(config.Audiences) == 0 {
		return nil, errors.New("verifying service account tokens: at least one audience must be given")
	}
	if config.Live == nil {
		return nil, errors.New("verifying service account tokens: the objects that tokens are bound to must be given")
	}
	v := &Verifier{
		trusts:    map[string]Trust{},
		audiences: config.Audiences,
		live:      config.Live,
		cached:    config.Cached,
		clock:     config.clock,
	}
	if v.clock == nil {
		v.clock = clock.RealClock{}
	}
	for _, trust := range config.Trusts {
		if trust.Keys == nil {
			return nil, fmt.Errorf("verifying service account tokens: the keys of %q must be given", trust.Issuers)
		}
		issuers := trust.Issuers
		if trust.Legacy {
			issuers = append(slices.Clone(issuers), LegacyIssuer)
		}
		for _, issuer := range issuers {
			if _, taken := v.trusts[issuer]; taken || issuer == "" {
				return nil, fmt.Errorf("verifying service account tokens: issuer %q must not be empty, and must be given once", issuer)
			}
			v.trusts[issuer] = trust
		}
	}
	return v, nil
}

// AuthenticateToken says whose token it is. What is refused has an error that
// says why.
func (v *Verifier) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	if len(token) > maxTokenBytes {
		return nil, false, errTooLong
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		var unexpected *jose.ErrUnexpectedSignatureAlgorithm
		if errors.As(err, &unexpected) {
			return nil, false, errAlgorithm
		}
		return nil, false, errMalformed
	}
	// Nothing of this may be believed before the signature is verified. It only
	// chooses the keys for that.
	var unverified struct {
		Issuer string `json:"iss"`
	}
	if err := signed.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return nil, false, errMalformed
	}
	trust, known := v.trusts[unverified.Issuer]
	if !known {
		return nil, false, errIssuer
	}
	response, err := v.authenticate(ctx, token, signed, trust)
	return response, err == nil, err
}

func (v *Verifier) authenticate(ctx context.Context, token string, signed *jwt.JSONWebToken, trust Trust) (*authenticator.Response, error) {
	var (
		registered jwt.Claims
		bound      boundClaims
		legacy     legacyClaims
	)
	if err := verifySignature(ctx, signed, trust.Keys, &registered, &bound, &legacy); err != nil {
		return nil, err
	}
	isLegacy := registered.Issuer == LegacyIssuer
	tokenAudiences := authenticator.Audiences(registered.Audience)
	if isLegacy && len(tokenAudiences) == 0 {
		tokenAudiences = v.audiences // they are for the API server alone
	}
	wanted, ok := authenticator.AudiencesFrom(ctx)
	if !ok {
		wanted = v.audiences
	}
	audiences := tokenAudiences.Intersect(wanted)
	if len(audiences) == 0 {
		return nil, errAudience
	}
	if err := v.checkTime(registered, isLegacy); err != nil {
		return nil, err
	}

	account, err := v.confirm(ctx, func(objects Objects) (*apiserverserviceaccount.ServiceAccountInfo, error) {
		if isLegacy {
			return checkLegacy(ctx, objects, registered.Subject, legacy, token)
		}
		return checkBound(ctx, objects, registered, bound.Kubernetes, v.clock.Now().Add(-Leeway))
	})
	if err != nil {
		return nil, err
	}
	if warnAfter := bound.Kubernetes.WarnAfter; warnAfter != nil && *warnAfter != 0 {
		if late := v.clock.Since(warnAfter.Time()); late > 0 {
			audit.AddAuditAnnotation(ctx, "authentication.k8s.io/stale-token",
				fmt.Sprintf("subject: %s, seconds after warning threshold: %d", registered.Subject, int64(late.Seconds())))
		}
	}
	return &authenticator.Response{User: account.UserInfo(), Audiences: audiences}, nil
}

// verifySignature fills in the claims if one of the keys has signed them.
func verifySignature(ctx context.Context, signed *jwt.JSONWebToken, source KeySource, claims ...any) error {
	header := signed.Headers[0] // there is always one
	keys := source.Keys(ctx, header.KeyID)
	if len(keys) == 0 {
		return errUnknownKey
	}
	for _, key := range keys {
		if !slices.Contains(key.algorithms, jose.SignatureAlgorithm(header.Algorithm)) {
			continue
		}
		if signed.Claims(key.Key, claims...) == nil {
			return nil
		}
	}
	return errSignature
}

func (v *Verifier) checkTime(claims jwt.Claims, isLegacy bool) error {
	if claims.Expiry == nil && !isLegacy {
		return errNoExpiry
	}
	err := claims.ValidateWithLeeway(jwt.Expected{Time: v.clock.Now()}, Leeway)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrExpired):
		return errExpired
	default: // not before, or issued in the future
		return errNotYetValid
	}
}

// confirm checks a token against the objects, and again against live ones if the
// cached ones do not confirm it: the pod may be younger than the cache.
func (v *Verifier) confirm(ctx context.Context, check func(Objects) (*apiserverserviceaccount.ServiceAccountInfo, error)) (*apiserverserviceaccount.ServiceAccountInfo, error) {
	if v.cached != nil {
		account, err := check(v.cached)
		if err == nil {
			return account, nil
		}
		klog.FromContext(ctx).V(4).Info("Looked up live what a cache does not confirm of a service account token", "err", err)
	}
	return check(v.live)
}
