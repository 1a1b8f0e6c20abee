// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// defaultPort is where kubelets listen.
	defaultPort = 10250

	// defaultDialTimeout leaves room for a lost packet or two on a bad radio link.
	defaultDialTimeout = 10 * time.Second

	// defaultAnswerTimeout is as long as a kubelet by default waits for its
	// container runtime.
	defaultAnswerTimeout = 2 * time.Minute
)

// defaultAddressTypes prefers what works without DNS, which a site that is cut
// off may not have.
var defaultAddressTypes = []corev1.NodeAddressType{
	corev1.NodeInternalIP,
	corev1.NodeExternalIP,
	corev1.NodeInternalDNS,
	corev1.NodeHostName,
	corev1.NodeExternalDNS,
}

// Config says how kubelets are reached.
type Config struct {
	// CAFile holds the CAs that may sign serving certificates of kubelets, in PEM.
	CAFile string
	// CertFile and KeyFile hold the client certificate that kubelets obey.
	CertFile, KeyFile string

	// PreferredAddressTypes is the order in which the addresses of a node are
	// considered. Empty means InternalIP, ExternalIP, InternalDNS, Hostname,
	// ExternalDNS.
	PreferredAddressTypes []corev1.NodeAddressType
	// DefaultPort is that of kubelets whose node does not say. 0 means 10250.
	DefaultPort int
	// ServerPorts are those on which this API server and its peers listen: no
	// kubelet is sought there, since the server would act on its own orders.
	ServerPorts []int

	// DialTimeout bounds connecting, TLS included. 0 means 10 seconds.
	DialTimeout time.Duration
	// AnswerTimeout bounds the wait for the answer to what does not stream. 0
	// means 2 minutes.
	AnswerTimeout time.Duration
}

func (c Config) validate() error {
	if c.CAFile == "" || c.CertFile == "" || c.KeyFile == "" {
		return errors.New("reaching kubelets takes the CA of their serving certificates and a client certificate with its key: name all three files")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if len(c.PreferredAddressTypes) == 0 {
		c.PreferredAddressTypes = defaultAddressTypes
	}
	if c.DefaultPort == 0 {
		c.DefaultPort = defaultPort
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.AnswerTimeout == 0 {
		c.AnswerTimeout = defaultAnswerTimeout
	}
	return c
}
