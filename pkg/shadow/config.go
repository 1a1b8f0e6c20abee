// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"net/netip"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/kubelet"
)

// Config describes a pool's server.
type Config struct {
	// Pool is the name of the NodePool.
	Pool string
	// Replicas is how many servers the pool has.
	Replicas int

	// Options are made by apiserver.NewStandaloneOptions and completed.
	Options *apiserver.Options
	// Storage is where objects are kept.
	Storage *apiserver.Storage
	// Etcd is a client of the same etcd, for what is no object.
	Etcd *clientv3.Client

	// ClientCAFile has the CAs of client certificates: the cluster's.
	ClientCAFile string
	// FrontProxyCAFile has the CAs of those who may speak for others. Without it
	// nobody may.
	FrontProxyCAFile string
	// FrontProxyNames are the common names that they may have. At least one, if
	// there is a CA.
	FrontProxyNames []string

	// ServiceAccountKeyFile has the cluster's public keys, which verify tokens of
	// service accounts. It is read again when it changes.
	ServiceAccountKeyFile string
	// ServiceAccountIssuers are those of the cluster's tokens.
	ServiceAccountIssuers []string
	// Audiences are what tokens must be for. Empty means ServiceAccountIssuers.
	Audiences []string
	// PoolIssuer names the pool in the tokens that it issues.
	PoolIssuer string

	// ServiceRanges are what Services made on site get ClusterIPs from, and
	// NodePorts their node ports. They must be the pool's alone. Without them such
	// Services are refused.
	ServiceRanges []netip.Prefix
	NodePorts     utilnet.PortRange

	// Kubelet says how kubelets are reached, for logs, exec and the like.
	Kubelet kubelet.Config

	// EventTTL is how long events are kept.
	EventTTL time.Duration
}
