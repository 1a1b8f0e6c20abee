// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// featureWebSockets is what kubelets declare that take the WebSocket protocols of
// exec, attach and port-forward. Others know SPDY alone.
const featureWebSockets = "ExtendWebSocketsToKubelet"

// NodeGetter returns a node, or the API error why it cannot.
type NodeGetter func(ctx context.Context, name string) (*corev1.Node, error)

// PodGetter returns a pod, or the API error why it cannot.
type PodGetter func(ctx context.Context, namespace, name string) (*corev1.Pod, error)

// Connector connects to kubelets and pods.
type Connector struct {
	config       Config
	nodes        NodeGetter
	pods         PodGetter
	credentials  *credentials
	connections  connections
	checkAddress func(netip.Addr) error
}

// NewConnector returns a connector that finds nodes and pods with the functions
// given. It starts nothing; [Connector.Close] ends what its requests have.
func NewConnector(config Config, nodes NodeGetter, pods PodGetter) (*Connector, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	credentials, err := newCredentials(config)
	if err != nil {
		return nil, err
	}
	return &Connector{
		config:       config.withDefaults(),
		nodes:        nodes,
		pods:         pods,
		credentials:  credentials,
		checkAddress: checkAddress,
	}, nil
}

// Close ends all streams, and has what comes later refused. An HTTP server does not
// do this by itself: it loses sight of connections that have been upgraded.
func (c *Connector) Close() {
	c.connections.closeAll()
}

// kubelet is where a node's kubelet is, according to the node.
type kubelet struct {
	route *route
	// webSockets says that it takes them as they are.
	webSockets bool
}

// kubelet returns the kubelet of a node. The wait for its answers is bounded by
// answerWithin, unless that is 0.
func (c *Connector) kubelet(ctx context.Context, name string, answerWithin time.Duration) (*kubelet, error) {
	node, err := c.nodes(ctx, name)
	if err != nil {
		return nil, err
	}
	host, err := c.hostOf(node)
	if err != nil {
		return nil, err
	}
	port := int(node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	if port <= 0 {
		port = c.config.DefaultPort
	}
	return &kubelet{
		webSockets: slices.Contains(node.Status.DeclaredFeatures, featureWebSockets),
		route: &route{
			connector:    c,
			to:           fmt.Sprintf("kubelet of node %q", name),
			host:         host,
			port:         strconv.Itoa(port),
			kubelet:      true,
			answerWithin: answerWithin,
			tls: func(ctx context.Context) *tls.Config {
				config := c.credentials.current(ctx).Clone()
				config.ServerName = host
				config.VerifyConnection = func(state tls.ConnectionState) error {
					return namesNode(state.PeerCertificates[0], name)
				}
				return config
			},
		},
	}, nil
}

func (c *Connector) hostOf(node *corev1.Node) (string, error) {
	for _, wanted := range c.config.PreferredAddressTypes {
		for _, address := range node.Status.Addresses {
			if address.Type == wanted && address.Address != "" {
				return address.Address, nil
			}
		}
	}
	return "", apierrors.NewServiceUnavailable(fmt.Sprintf("node %q has no address of the types %v in its status: has its kubelet ever run?", node.Name, c.config.PreferredAddressTypes))
}

// plain returns the route to a backend that gets no credentials.
func (c *Connector) plain(scheme, to, host, port string) *route {
	r := &route{connector: c, to: to, host: host, port: port}
	if scheme == "https" {
		if port == "" {
			r.port = "443"
		}
		r.tls = func(context.Context) *tls.Config {
			// The names that pods' certificates are for are not known here, nor are
			// their CAs, and they are not sent anything secret.
			return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
		}
	} else if port == "" {
		r.port = "80"
	}
	return r
}
