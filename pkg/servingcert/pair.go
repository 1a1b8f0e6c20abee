// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour

	// backdating lets clocks differ.
	backdating = time.Hour

	keyCACert  = "ca.crt" // the newest CA first, then those still to be trusted
	keyCAKey   = "ca.key" // of the newest CA
	keyTLSCert = "tls.crt"
	keyTLSKey  = "tls.key"
)

// renewed returns what the Secret should hold: data itself if that is good for
// long enough, or else a copy with what was missing, damaged, old or made for
// other names replaced.
func renewed(data map[string][]byte, dnsNames []string, now time.Time) (map[string][]byte, bool, error) {
	authorities, caKey := parseCA(data)
	if caKey != nil && fresh(authorities[0], caLifetime, now) && leafGood(data, authorities[0], dnsNames, now) {
		return data, false, nil
	}

	if caKey == nil || !fresh(authorities[0], caLifetime, now) {
		authority, key, err := newCA(now)
		if err != nil {
			return nil, false, err
		}
		authorities, caKey = append([]*x509.Certificate{authority}, authorities...), key
	}
	authorities = slices.DeleteFunc(authorities, func(cert *x509.Certificate) bool { return now.After(cert.NotAfter) })
	leaf, leafKey, err := newLeaf(authorities[0], caKey, dnsNames, now)
	if err != nil {
		return nil, false, err
	}

	out := map[string][]byte{}
	if out[keyCACert], err = certutil.EncodeCertificates(authorities...); err != nil {
		return nil, false, err
	}
	if out[keyCAKey], err = keyutil.MarshalPrivateKeyToPEM(caKey); err != nil {
		return nil, false, err
	}
	if out[keyTLSCert], err = certutil.EncodeCertificates(leaf); err != nil {
		return nil, false, err
	}
	if out[keyTLSKey], err = keyutil.MarshalPrivateKeyToPEM(leafKey); err != nil {
		return nil, false, err
	}
	return out, true, nil
}

// parseCA returns no key unless it fits the first certificate.
func parseCA(data map[string][]byte) ([]*x509.Certificate, crypto.Signer) {
	authorities, err := certutil.ParseCertsPEM(data[keyCACert])
	if err != nil {
		return nil, nil
	}
	key, err := keyutil.ParsePrivateKeyPEM(data[keyCAKey])
	if err != nil {
		return authorities, nil
	}
	signer, ok := key.(crypto.Signer)
	if !ok || !samePublicKey(signer, authorities[0]) {
		return authorities, nil
	}
	return authorities, signer
}

func leafGood(data map[string][]byte, authority *x509.Certificate, dnsNames []string, now time.Time) bool {
	chain, err := certutil.ParseCertsPEM(data[keyTLSCert])
	if err != nil {
		return false
	}
	key, err := keyutil.ParsePrivateKeyPEM(data[keyTLSKey])
	if err != nil {
		return false
	}
	signer, ok := key.(crypto.Signer)
	if !ok || !samePublicKey(signer, chain[0]) || !fresh(chain[0], leafLifetime, now) || chain[0].CheckSignatureFrom(authority) != nil {
		return false
	}
	for _, name := range dnsNames {
		if chain[0].VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// fresh says whether a certificate has more than a third of its life left.
func fresh(cert *x509.Certificate, lifetime time.Duration, now time.Time) bool {
	return now.After(cert.NotBefore) && now.Before(cert.NotAfter.Add(-lifetime/3))
}

func samePublicKey(key crypto.Signer, cert *x509.Certificate) bool {
	a, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return false
	}
	b, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	return err == nil && bytes.Equal(a, b)
}

func newCA(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making CA key: %w", err)
	}
	template := &x509.Certificate{
		// The time makes subjects differ, so that verifiers find the right one.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("steppe-serving-ca@%d", now.Unix())},
		NotBefore:             now.Add(-backdating),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := sign(template, template, key.Public(), key)
	return cert, key, err
}

func newLeaf(authority *x509.Certificate, caKey crypto.Signer, dnsNames []string, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making serving key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: dnsNames[0]},
		DNSNames:              dnsNames,
		NotBefore:             now.Add(-backdating),
		NotAfter:              now.Add(leafLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	cert, err := sign(template, authority, key.Public(), caKey)
	return cert, key, err
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
