// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// keySetVersion is that of the record. A record of another version is left
	// alone.
	keySetVersion = 1

	// maxKeys bounds a record whatever clocks and settings do. With the default
	// settings there are two keys at most.
	maxKeys = 64
)

// keySet is the record of a KeyStore. The first key signs, the others have been
// replaced.
type keySet struct {
	Version int         `json:"version"`
	Keys    []issuerKey `json:"keys"`
}

type issuerKey struct {
	Created time.Time `json:"created"`
	// Replaced is when the next key was made, nil for the first key.
	Replaced *time.Time `json:"replaced,omitempty"`
	// Public is in PKIX form.
	Public []byte `json:"public"`
	// Private is in PKCS #8 form. Only the first key has it.
	Private []byte `json:"private,omitempty"`
}

func parseKeySet(record []byte) (keySet, error) {
	var set keySet
	if err := json.Unmarshal(record, &set); err != nil {
		return keySet{}, errors.New("record is not valid JSON") // what it quotes may be secret
	}
	if set.Version != keySetVersion {
		return keySet{}, fmt.Errorf("record has version %d, and only %d is known", set.Version, keySetVersion)
	}
	if len(set.Keys) == 0 {
		return keySet{}, errors.New("record has no keys")
	}
	return set, nil
}

// signer returns the key that signs.
func (s keySet) signer() (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(s.Keys[0].Private)
	if err != nil {
		return nil, errors.New("record has no valid private key")
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("record has a private key that is not ECDSA P-256")
	}
	return private, nil
}

// verifiers returns the keys that tokens may be signed with.
func (s keySet) verifiers() ([]PublicKey, error) {
	keys := make([]PublicKey, 0, len(s.Keys))
	for _, key := range s.Keys {
		parsed, err := x509.ParsePKIXPublicKey(key.Public)
		if err != nil {
			return nil, fmt.Errorf("record has an invalid public key: %w", err)
		}
		public, err := NewPublicKey(parsed)
		if err != nil {
			return nil, err
		}
		keys = append(keys, public)
	}
	return keys, nil
}

// kept returns the set as it should be: with a new key if the first is too old,
// and without the keys that were replaced longer ago than retention. It says
// whether that is a change. A key from the future, as a clock that has jumped
// leaves behind, counts as new.
func (s keySet) kept(now time.Time, rotateAfter, retention time.Duration) (keySet, bool, error) {
	out := keySet{Version: keySetVersion}
	changed := false
	for _, key := range s.Keys {
		if key.Replaced != nil && now.Sub(*key.Replaced) > retention {
			changed = true
			continue
		}
		out.Keys = append(out.Keys, key)
	}
	if len(out.Keys) > 0 && now.Sub(out.Keys[0].Created) < rotateAfter {
		return out, changed, nil
	}
	if len(out.Keys) >= maxKeys {
		return keySet{}, false, fmt.Errorf("there are %d keys whose tokens may still live, so no key is added: raise the age at which keys are replaced, or lower the longest lifetime of tokens", len(out.Keys))
	}
	key, err := newIssuerKey(now)
	if err != nil {
		return keySet{}, false, err
	}
	if len(out.Keys) > 0 {
		out.Keys[0].Private = nil
		out.Keys[0].Replaced = &now
	}
	out.Keys = append([]issuerKey{key}, out.Keys...)
	return out, true, nil
}

func newIssuerKey(now time.Time) (issuerKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issuerKey{}, fmt.Errorf("making a key: %w", err)
	}
	key := issuerKey{Created: now}
	if key.Private, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return issuerKey{}, fmt.Errorf("encoding a private key: %w", err)
	}
	if key.Public, err = x509.MarshalPKIXPublicKey(&private.PublicKey); err != nil {
		return issuerKey{}, fmt.Errorf("encoding a public key: %w", err)
	}
	return key, nil
}
