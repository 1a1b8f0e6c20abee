// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/steppe-io/steppe/pkg/etcd"
	"github.com/steppe-io/steppe/pkg/poolpki"
)

// What --initial-cluster-state may be, as etcd has it.
const (
	stateNew      = "new"
	stateExisting = "existing"
)

// clusterOptions say which coordinators the pool has, where it has several.
type clusterOptions struct {
	Name    string
	Members map[string]string
	State   string
	Listen  string
}

func newClusterOptions() clusterOptions {
	name, err := os.Hostname()
	if err != nil {
		name = "" // then the flag must be given
	}
	return clusterOptions{Name: name, State: stateExisting}
}

func (o *clusterOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Name, "name", o.Name,
		"Name of this coordinator among those of its pool. By default that of its machine.")
	fs.StringToStringVar(&o.Members, "initial-cluster", o.Members,
		"The coordinators of the pool, this one included, where there are several: name=https://host:2380,... Three stand the loss of one. Without it the coordinator is alone. All of them must have the same CA, see ca.crt and ca.key in <data-dir>/pki.")
	fs.StringVar(&o.State, "initial-cluster-state", o.State,
		"new when the coordinators start for the first time, to have them form a cluster; existing ever after, so that one that has lost its data joins the others instead of beginning anew without them.")
	fs.StringVar(&o.Listen, "listen-peer-address", o.Listen,
		"Address and port at which other coordinators are listened to, such as 0.0.0.0:2380. By default that of this coordinator in --initial-cluster.")
}

func (o *clusterOptions) validate() []error {
	if o.State != stateNew && o.State != stateExisting {
		return []error{fmt.Errorf("--initial-cluster-state must be %s or %s, not %q", stateNew, stateExisting, o.State)}
	}
	if len(o.Members) == 0 {
		return nil
	}
	if _, ok := o.Members[o.Name]; !ok {
		return []error{fmt.Errorf("--initial-cluster must name this coordinator, %q, or --name must be one of those that it names", o.Name)}
	}
	if len(o.Members)%2 == 0 {
		return []error{errors.New("--initial-cluster must name an odd number of coordinators: an even number stands the loss of no more than one fewer does")}
	}
	return nil
}

// replicas is how many coordinators the pool has.
func (o *clusterOptions) replicas() int { return max(1, len(o.Members)) }

// cluster describes the coordinators to their etcd. It is nil if there is but one.
func (o *clusterOptions) cluster(pool string, pki *poolpki.PKI) *etcd.Cluster {
	if len(o.Members) == 0 {
		return nil
	}
	c := &etcd.Cluster{
		Name: o.Name, Members: o.Members, Listen: o.Listen, Token: "pool-coordinator:" + pool, Form: o.State == stateNew,
		TLS: etcd.PeerTLS{CAFile: pki.CAFile(), ServerName: poolpki.PeerName(pool)},
	}
	c.TLS.CertFile, c.TLS.KeyFile = pki.Peer()
	return c
}

// openPKI makes sure of the pool's certificates.
func (o *Options) openPKI() (*poolpki.PKI, error) {
	pki, err := poolpki.Open(poolpki.Config{Dir: filepath.Join(o.DataDir, "pki"), Pool: o.Pool, Hosts: o.Hosts})
	if err != nil {
		return nil, fmt.Errorf("keeping the certificates of the pool: %w", err)
	}
	return pki, nil
}
