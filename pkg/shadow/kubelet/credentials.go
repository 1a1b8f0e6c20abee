// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"

	"k8s.io/klog/v2"
)

// credentials are what the server and kubelets know each other by. The files are
// read for each connection: connections are few and files are small, so this needs
// no watcher and misses no change.
type credentials struct {
	caFile, certFile, keyFile string

	mu      sync.Mutex // guards the fields below
	ca      []byte     // what the files held when config was made
	cert    []byte
	key     []byte
	config  *tls.Config
	trouble string // why the files cannot be used now, so that it is logged once
}

func newCredentials(config Config) (*credentials, error) {
	c := &credentials{caFile: config.CAFile, certFile: config.CertFile, keyFile: config.KeyFile}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// current returns what the files say. While they say nothing sensible, being
// replaced one by one perhaps, it is what they said before.
func (c *credentials) current(ctx context.Context) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.read()
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	logger := klog.FromContext(ctx)
	switch {
	case trouble == c.trouble && !changed:
	case trouble != "":
		logger.Info("Kept former credentials for kubelets", "err", err)
	default:
		logger.V(2).Info("Loaded credentials for kubelets", "certificate", c.certFile, "ca", c.caFile)
	}
	c.trouble = trouble
	return c.config
}

// read makes config anew if the files have changed.
func (c *credentials) read() (changed bool, err error) {
	var files [3][]byte
	for i, name := range []string{c.caFile, c.certFile, c.keyFile} {
		if files[i], err = os.ReadFile(name); err != nil {
			return false, fmt.Errorf("reading credentials for kubelets: %w", err)
		}
	}
	ca, cert, key := files[0], files[1], files[2]
	if c.config != nil && bytes.Equal(ca, c.ca) && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return false, fmt.Errorf("reading credentials for kubelets: %s holds no certificate", c.caFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("reading credentials for kubelets: %s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.ca, c.cert, c.key = ca, cert, key
	c.config = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
	return true, nil
}
