// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/steppe-io/steppe/pkg/authority"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour

	keyCACert  = "ca.crt" // the newest CA first, then those still to be trusted
	keyCAKey   = "ca.key" // of the newest CA
	keyTLSCert = "tls.crt"
	keyTLSKey  = "tls.key"
)

// renewed returns what the Secret should hold: data itself if that is good for
// long enough, or else a copy with what was missing, damaged, old or made for
// other names replaced.
func renewed(data map[string][]byte, dnsNames []string, now time.Time) (map[string][]byte, bool, error) {
	request := authority.Request{
		CommonName: dnsNames[0], DNSNames: dnsNames, Lifetime: leafLifetime,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	ca, err := authority.Parse(data[keyCACert], data[keyCAKey])
	good := err == nil && authority.Fresh(ca.Certificates[0], caLifetime, now)
	if good && ca.Answers(authority.Pair{Certificate: data[keyTLSCert], Key: data[keyTLSKey]}, request, now) {
		return data, false, nil
	}

	if !good {
		// Those who trust an old CA learn of the new one only after a while.
		var old []*x509.Certificate
		if ca != nil {
			old = ca.Certificates
		}
		if ca, err = authority.New("steppe-serving-ca", caLifetime, now); err != nil {
			return nil, false, err
		}
		ca.Certificates = append(ca.Certificates, old...)
	}
	ca.Certificates = slices.DeleteFunc(ca.Certificates, func(cert *x509.Certificate) bool { return now.After(cert.NotAfter) })
	leaf, err := ca.Issue(request, now)
	if err != nil {
		return nil, false, err
	}
	out := map[string][]byte{keyTLSCert: leaf.Certificate, keyTLSKey: leaf.Key}
	if out[keyCACert], out[keyCAKey], err = ca.PEM(); err != nil {
		return nil, false, err
	}
	return out, true, nil
}
