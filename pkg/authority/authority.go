// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package authority makes certificate authorities and the certificates that they
// sign. Who keeps them, and where, is up to others.
package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// backdating lets clocks differ.
const backdating = time.Hour

// Authority signs certificates.
type Authority struct {
	// Certificates are those to be trusted: the authority's own first, then those
	// of its predecessors. Never empty.
	Certificates []*x509.Certificate
	// Key is that of the first certificate.
	Key crypto.Signer
}

// New makes an authority. The time of its birth is part of its name, so that
// verifiers tell it from its predecessors.
func New(name string, lifetime time.Duration, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making CA key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore:             now.Add(-backdating),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificates: []*x509.Certificate{cert}, Key: key}, nil
}

// ErrNoKey says that certificates have no key that fits the first of them.
var ErrNoKey = errors.New("the key does not fit the CA's certificate")

// Parse reads an authority from PEM. If only the key is wrong, the error wraps
// ErrNoKey and the authority has certificates but no key.
func Parse(certificates, key []byte) (*Authority, error) {
	parsed, err := certutil.ParseCertsPEM(certificates)
	if err != nil {
		return nil, fmt.Errorf("reading CA certificates: %w", err)
	}
	authority := &Authority{Certificates: parsed}
	signer, err := parseKey(key, parsed[0])
	if err != nil {
		return authority, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	authority.Key = signer
	return authority, nil
}

// PEM returns what Parse reads.
func (a *Authority) PEM() (certificates, key []byte, err error) {
	return encode(a.Key, a.Certificates...)
}

// Request says what a certificate is for.
type Request struct {
	// CommonName is the subject's.
	CommonName string
	// DNSNames and Addresses are what a server is reached by.
	DNSNames  []string
	Addresses []net.IP
	// Usages are what the certificate is good for.
	Usages []x509.ExtKeyUsage
	// Lifetime is how long from now.
	Lifetime time.Duration
}

// Pair is a certificate and its key, in PEM.
type Pair struct {
	Certificate, Key []byte
}

// Issue signs a certificate for a new key.
func (a *Authority) Issue(request Request, now time.Time) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: request.CommonName},
		DNSNames:              request.DNSNames,
		IPAddresses:           request.Addresses,
		NotBefore:             now.Add(-backdating),
		NotAfter:              now.Add(request.Lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           request.Usages,
		BasicConstraintsValid: true,
	}
	cert, err := sign(template, a.Certificates[0], key.Public(), a.Key)
	if err != nil {
		return Pair{}, err
	}
	var pair Pair
	pair.Certificate, pair.Key, err = encode(key, cert)
	return pair, err
}

// Answers says whether the authority has signed the pair, and it still answers the
// request for more than a third of the lifetime asked for.
func (a *Authority) Answers(pair Pair, request Request, now time.Time) bool {
	chain, err := certutil.ParseCertsPEM(pair.Certificate)
	if err != nil {
		return false
	}
	if _, err := parseKey(pair.Key, chain[0]); err != nil {
		return false
	}
	if !Fresh(chain[0], request.Lifetime, now) || chain[0].CheckSignatureFrom(a.Certificates[0]) != nil {
		return false
	}
	for _, name := range request.DNSNames {
		if chain[0].VerifyHostname(name) != nil {
			return false
		}
	}
	for _, address := range request.Addresses {
		if chain[0].VerifyHostname(address.String()) != nil {
			return false
		}
	}
	return true
}

// Fresh says whether a certificate has more than a third of its lifetime left.
func Fresh(cert *x509.Certificate, lifetime time.Duration, now time.Time) bool {
	return now.After(cert.NotBefore) && now.Before(cert.NotAfter.Add(-lifetime/3))
}

// parseKey reads the key of a certificate.
func parseKey(data []byte, cert *x509.Certificate) (crypto.Signer, error) {
	key, err := keyutil.ParsePrivateKeyPEM(data)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	own, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	certified, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(own, certified) {
		return nil, errors.New("the certificate is of another key")
	}
	return signer, nil
}

func encode(key crypto.Signer, certs ...*x509.Certificate) (certificates, private []byte, err error) {
	if certificates, err = certutil.EncodeCertificates(certs...); err != nil {
		return nil, nil, err
	}
	private, err = keyutil.MarshalPrivateKeyToPEM(key)
	return certificates, private, err
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
