// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// DefaultRotateAfter is the age at which a key is replaced.
	DefaultRotateAfter = 30 * 24 * time.Hour
	// DefaultMaxLifetime is what a token lives at most. It only has to last until
	// the next request: kubelets renew tokens in the pool as they do in the cloud.
	DefaultMaxLifetime = 24 * time.Hour

	// retentionExtra is for how much longer than its tokens live a replaced key is
	// kept: some coordinator may not have noticed at once that it was replaced.
	retentionExtra = time.Hour

	// keyCheckPeriod is how often the record is looked at.
	keyCheckPeriod = time.Minute
	// unknownKeyInterval is how often tokens with unknown keys may have it looked
	// at, however many are sent.
	unknownKeyInterval = time.Second
	// keyStoreTimeout bounds a look at the record.
	keyStoreTimeout = 5 * time.Second
)

// IssuerConfig describes an Issuer.
type IssuerConfig struct {
	// URL is what tokens name as their issuer. It must be the pool's alone.
	URL string
	// Store keeps the keys. All coordinators of a pool share it.
	Store KeyStore
	// RotateAfter is the age at which a key is replaced, DefaultRotateAfter if
	// zero.
	RotateAfter time.Duration
	// MaxLifetime is what a token lives at most, DefaultMaxLifetime if zero.
	// Replaced keys are kept for as long.
	MaxLifetime time.Duration

	clock clock.PassiveClock // nil for the real one
}

// Issuer signs tokens and has the keys to verify them. It signs nothing before
// Load or Run has read or made its keys.
type Issuer struct {
	config IssuerConfig

	mu        sync.RWMutex // guards the fields below
	record    []byte
	signer    jose.Signer
	verifiers []PublicKey

	unknownMu sync.Mutex // held while an unknown key is looked for
	looked    time.Time  // when that ended last; guarded by unknownMu
}

var _ KeySource = &Issuer{}

// NewIssuer returns an Issuer without keys.
func NewIssuer(config IssuerConfig) (*Issuer, error) {
	if config.URL == "" || config.URL == LegacyIssuer {
		return nil, fmt.Errorf("issuing service account tokens: the issuer must be a URL, not %q", config.URL)
	}
	if config.Store == nil {
		return nil, errors.New("issuing service account tokens: the store of the keys must be given")
	}
	if config.RotateAfter == 0 {
		config.RotateAfter = DefaultRotateAfter
	}
	if config.MaxLifetime == 0 {
		config.MaxLifetime = DefaultMaxLifetime
	}
	if config.MaxLifetime < minExpirationSeconds*time.Second {
		return nil, fmt.Errorf("issuing service account tokens: the longest lifetime must be %d seconds or more, not %v", minExpirationSeconds, config.MaxLifetime)
	}
	if config.RotateAfter < time.Hour {
		return nil, fmt.Errorf("issuing service account tokens: the age at which keys are replaced must be an hour or more, not %v", config.RotateAfter)
	}
	if config.clock == nil {
		config.clock = clock.RealClock{}
	}
	return &Issuer{config: config}, nil
}

// URL returns what tokens name as their issuer.
func (i *Issuer) URL() string { return i.config.URL }

// MaxLifetime returns what a token lives at most.
func (i *Issuer) MaxLifetime() time.Duration { return i.config.MaxLifetime }

// Load reads the keys, and makes or replaces the one that signs if there is none
// or it is too old.
func (i *Issuer) Load(ctx context.Context) error {
	const attempts = 5 // each is lost only to another coordinator that has won
	ctx, cancel := context.WithTimeout(ctx, keyStoreTimeout)
	defer cancel()
	for range attempts {
		done, err := i.tryLoad(ctx)
		if err != nil {
			return fmt.Errorf("keeping the keys of issuer %s: %w", i.config.URL, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("keeping the keys of issuer %s: others keep changing them", i.config.URL)
}

func (i *Issuer) tryLoad(ctx context.Context) (bool, error) {
	record, revision, err := i.config.Store.Get(ctx)
	if err != nil {
		return false, err
	}
	var set keySet
	if revision != 0 {
		if set, err = parseKeySet(record); err != nil {
			return false, err
		}
	}
	wanted, changed, err := set.kept(i.config.clock.Now().UTC(), i.config.RotateAfter, i.config.MaxLifetime+retentionExtra)
	if err != nil && revision == 0 {
		return false, err
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "Signing key of service account tokens was not replaced", "issuer", i.config.URL)
		wanted, changed = set, false
	}
	if !changed {
		return true, i.use(ctx, record, set)
	}
	if record, err = json.Marshal(wanted); err != nil {
		return false, err
	}
	written, err := i.config.Store.Put(ctx, record, revision)
	if err != nil || !written {
		return false, err
	}
	return true, i.use(ctx, record, wanted)
}

// use makes the keys those that sign and verify.
func (i *Issuer) use(ctx context.Context, record []byte, set keySet) error {
	i.mu.RLock()
	same := bytes.Equal(i.record, record)
	i.mu.RUnlock()
	if same {
		return nil
	}
	private, err := set.signer()
	if err != nil {
		return err
	}
	verifiers, err := set.verifiers()
	if err != nil {
		return err
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.ES256,
		Key:       jose.JSONWebKey{Key: private, KeyID: verifiers[0].ID, Algorithm: string(jose.ES256), Use: "sig"},
	}, nil)
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.record, i.signer, i.verifiers = record, signer, verifiers
	i.mu.Unlock()
	klog.FromContext(ctx).V(2).Info("Loaded keys of service account tokens", "issuer", i.config.URL, "signingKey", verifiers[0].ID, "keys", len(verifiers))
	return nil
}

// Run keeps the keys until ctx is done: it learns what other coordinators have
// changed, and replaces what is too old.
func (i *Issuer) Run(ctx context.Context) {
	trouble := ""
	wait.JitterUntilWithContext(ctx, func(ctx context.Context) {
		before := trouble
		trouble = ""
		if err := i.Load(ctx); err != nil && ctx.Err() == nil {
			trouble = err.Error()
		}
		switch {
		case trouble == before:
		case trouble != "":
			klog.FromContext(ctx).Info("Keys of service account tokens are not in order, will try again", "period", keyCheckPeriod, "err", trouble)
		default:
			klog.FromContext(ctx).Info("Keys of service account tokens are in order again", "issuer", i.config.URL)
		}
	}, keyCheckPeriod, 0.1, true)
}

// Keys returns the keys with that ID, all if it is empty. If it does not know
// the ID, it looks whether another coordinator has just made it.
func (i *Issuer) Keys(ctx context.Context, id string) []PublicKey {
	if keys := i.known(id); len(keys) > 0 || id == "" {
		return keys
	}
	i.unknownMu.Lock()
	defer i.unknownMu.Unlock()
	if keys := i.known(id); len(keys) > 0 {
		return keys
	}
	if age := i.config.clock.Since(i.looked); age >= 0 && age < unknownKeyInterval {
		return nil
	}
	err := i.Load(ctx)
	i.looked = i.config.clock.Now()
	if err != nil {
		klog.FromContext(ctx).V(2).Info("Key of a service account token could not be looked up", "err", err)
	}
	return i.known(id)
}

func (i *Issuer) known(id string) []PublicKey {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return withID(i.verifiers, id)
}

// sign returns the token with these claims and the issuer's URL.
func (i *Issuer) sign(registered jwt.Claims, claims boundClaims) (string, error) {
	i.mu.RLock()
	signer := i.signer
	i.mu.RUnlock()
	if signer == nil {
		return "", apierrors.NewServiceUnavailable("the keys of the pool's token issuer are not loaded yet")
	}
	registered.Issuer = i.config.URL
	token, err := jwt.Signed(signer).Claims(claims).Claims(registered).Serialize()
	if err != nil {
		return "", apierrors.NewInternalError(fmt.Errorf("signing a service account token: %w", err))
	}
	return token, nil
}
