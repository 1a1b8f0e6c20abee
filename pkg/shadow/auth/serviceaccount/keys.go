// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/client-go/util/keyutil"
)

// minRSABits is the least size of an RSA key.
const minRSABits = 2048

// PublicKey verifies signatures of one key.
type PublicKey struct {
	// ID is what tokens name the key by: the SHA-256 of its DER form, as
	// kube-apiserver has it.
	ID string
	// Key is an *rsa.PublicKey or *ecdsa.PublicKey.
	Key crypto.PublicKey

	algorithms []jose.SignatureAlgorithm
}

// KeySource has the keys of a trust. It is safe for concurrent use.
type KeySource interface {
	// Keys returns the keys with that ID, all if it is empty. A source that does
	// not know the ID may look whether it has been added since.
	Keys(ctx context.Context, id string) []PublicKey
}

// NewPublicKey returns the key if it is of a kind and size that is accepted:
// RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521.
func NewPublicKey(key crypto.PublicKey) (PublicKey, error) {
	var algorithms []jose.SignatureAlgorithm
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return PublicKey{}, fmt.Errorf("an RSA key must have %d bits or more, not %d", minRSABits, bits)
		}
		algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			algorithms = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			algorithms = []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			algorithms = []jose.SignatureAlgorithm{jose.ES512}
		default:
			return PublicKey{}, fmt.Errorf("an ECDSA key must be on P-256, P-384 or P-521, not %s", key.Curve.Params().Name)
		}
	default:
		return PublicKey{}, fmt.Errorf("a key must be RSA or ECDSA, not %T", key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encoding public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return PublicKey{ID: base64.RawURLEncoding.EncodeToString(sum[:]), Key: key, algorithms: algorithms}, nil
}

// parsePublicKeys reads all keys of a PEM file: public keys, certificates, or
// private keys whose public half is taken.
func parsePublicKeys(data []byte) ([]PublicKey, error) {
	raw, err := keyutil.ParsePublicKeysPEM(data)
	if err != nil {
		return nil, err
	}
	keys := make([]PublicKey, 0, len(raw))
	for _, key := range raw {
		public, err := NewPublicKey(key)
		if err != nil {
			return nil, err
		}
		keys = append(keys, public)
	}
	return keys, nil
}

// withID returns the keys with that ID, all if it is empty.
func withID(keys []PublicKey, id string) []PublicKey {
	if id == "" {
		return keys
	}
	for i := range keys {
		if keys[i].ID == id {
			return keys[i : i+1]
		}
	}
	return nil
}
