// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificates and kubeconfigs of a test cluster.
//
// An Authority lives in a folder as <name>.crt and <name>.key. Asking for the
// same authority or certificate again returns the one that is there, so that
// a cluster brought up a second time keeps its identities; a certificate whose
// names or addresses changed, or that ends soon, is issued anew.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// lifetime suits a cluster that is made for a test or a demonstration.
	lifetime = 5 * 365 * 24 * time.Hour
	// renewBefore is when an existing certificate counts as too old to keep.
	renewBefore = 30 * 24 * time.Hour
	// backdate forgives clocks that are behind.
	backdate = time.Hour
)

// Pair is a certificate with its key, as files and in memory.
type Pair struct {
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte
}

// Authority signs certificates.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  crypto.Signer
}

// Request says what a certificate is for.
type Request struct {
	// CommonName is the user name, for a client.
	CommonName string
	// Organization holds the groups, for a client.
	Organization []string
	// Hosts are the DNS names and IP addresses of a server. With none the
	// certificate is good for clients only.
	Hosts []string
}

// EnsureAuthority returns the authority of that name in dir, making it first
// if there is none.
func EnsureAuthority(dir, name string) (*Authority, error) {
	pair := files(dir, name)
	if err := pair.read(); err == nil {
		return parseAuthority(pair)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := pair.sign(template, template, key, key); err != nil {
		return nil, fmt.Errorf("make the authority %s: %w", name, err)
	}
	return parseAuthority(pair)
}

func parseAuthority(pair Pair) (*Authority, error) {
	both, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", pair.CertFile, err)
	}
	signer, ok := both.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("authority %s: key cannot sign", pair.KeyFile)
	}
	return &Authority{Pair: pair, cert: both.Leaf, key: signer}, nil
}

// Ensure returns the certificate of that name in dir, issuing it if there is
// none that answers the request.
func (a *Authority) Ensure(dir, name string, req Request) (Pair, error) {
	pair := files(dir, name)
	if err := pair.read(); err == nil && a.answers(pair, req) {
		return pair, nil
	}
	template := newTemplate(pkix.Name{CommonName: req.CommonName, Organization: req.Organization})
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(req.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	template.DNSNames, template.IPAddresses = splitHosts(req.Hosts)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	if err := pair.sign(template, a.cert, key, a.key); err != nil {
		return Pair{}, fmt.Errorf("issue the certificate %s: %w", name, err)
	}
	return pair, nil
}

// answers tells whether pair can be kept for req.
func (a *Authority) answers(pair Pair, req Request) bool {
	both, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil || both.Leaf.CheckSignatureFrom(a.cert) != nil {
		return false
	}
	names, addresses := splitHosts(req.Hosts)
	return time.Until(both.Leaf.NotAfter) > renewBefore &&
		both.Leaf.Subject.CommonName == req.CommonName &&
		slices.Equal(both.Leaf.Subject.Organization, req.Organization) &&
		slices.Equal(both.Leaf.DNSNames, names) &&
		slices.EqualFunc(both.Leaf.IPAddresses, addresses, net.IP.Equal)
}

// EnsureSigningKey returns the paths of an RSA key, as kubeadm would make it,
// that signs service account tokens (<name>.key) and of its public half
// (<name>.pub).
func EnsureSigningKey(dir, name string) (private, public string, err error) {
	private, public = filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pub")
	if _, err := os.Stat(public); err == nil { // written last
		return private, public, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	if err := writeFile(private, encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), 0o600); err != nil {
		return "", "", err
	}
	return private, public, writeFile(public, encode("PUBLIC KEY", publicDER), 0o644)
}

func newTemplate(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{Subject: subject, NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime)}
}

func splitHosts(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}

func files(dir, name string) Pair {
	return Pair{CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key")}
}

func (p *Pair) read() error {
	var err error
	if p.KeyPEM, err = os.ReadFile(p.KeyFile); err != nil {
		return err
	}
	p.CertPEM, err = os.ReadFile(p.CertFile)
	return err
}

// sign fills p with a certificate for key and writes both files, the
// certificate last.
func (p *Pair) sign(template, parent *x509.Certificate, key, parentKey crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	certDER, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	p.CertPEM, p.KeyPEM = encode("CERTIFICATE", certDER), encode("PRIVATE KEY", keyDER)
	if err := writeFile(p.KeyFile, p.KeyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(p.CertFile, p.CertPEM, 0o644)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// writeFile writes by rename, so that a reader or a crash never sees half a
// file.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, content, mode); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
