// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// Config describes a control plane. Only Dir is required.
type Config struct {
	// Dir holds everything: certificates, kubeconfigs, etcd's data, logs. It
	// is created if absent. Used again, it gives the same cluster with the
	// same data and identities.
	Dir string
	// Binaries are the executables to run. Nil builds or finds them with
	// binaries.Ensure (Prepare requires them).
	Binaries binaries.Set

	// Address is where the API server is reached and what it advertises.
	// Empty means 127.0.0.1.
	Address string
	// Listen is the address that the API server binds. Empty means Address.
	Listen string
	// ExtraHosts are further DNS names and addresses for the API server's
	// certificate.
	ExtraHosts []string
	// Ports that are zero are chosen free.
	Ports Ports
	// ServiceCIDR is the range of ClusterIPs. Empty means 10.96.0.0/16.
	ServiceCIDR string
	// Name is the cluster's name in kubeconfigs. Empty means steppe.
	Name string

	// ControllerManager and Scheduler run these as well.
	ControllerManager, Scheduler bool

	// Fsync lets etcd sync its writes to disk, as in production. Benchmarks
	// want it; tests are quicker without.
	Fsync bool

	// The extra arguments are appended, so they win over the defaults.
	EtcdArgs, APIServerArgs, ControllerManagerArgs, SchedulerArgs []string
}

// Ports are the TCP ports of a control plane. All but APIServer are bound on
// loopback.
type Ports struct {
	APIServer, EtcdClient, EtcdPeer, ControllerManager, Scheduler int
}

// StandardPorts are the ones that a real control-plane machine uses. They suit
// a control plane that has a network namespace of its own.
var StandardPorts = Ports{APIServer: 6443, EtcdClient: 2379, EtcdPeer: 2380, ControllerManager: 10257, Scheduler: 10259}

func (p *Ports) all() []*int {
	return []*int{&p.APIServer, &p.EtcdClient, &p.EtcdPeer, &p.ControllerManager, &p.Scheduler}
}

// chooseFree fills in the ports that are zero. They are held all at once
// while choosing, so they differ, but are free for anyone afterwards: Start
// tries again if somebody else was quicker.
func (p *Ports) chooseFree() error {
	for _, port := range p.all() {
		if *port != 0 {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

func (c *Config) setDefaults() {
	setDefault := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	setDefault(&c.Address, "127.0.0.1")
	setDefault(&c.Listen, c.Address)
	setDefault(&c.ServiceCIDR, "10.96.0.0/16")
	setDefault(&c.Name, "steppe")
}

func (c *Config) validate() error {
	var errs []error
	if !filepath.IsAbs(c.Dir) {
		errs = append(errs, fmt.Errorf("field Dir must be an absolute path, not %q", c.Dir))
	}
	if net.ParseIP(c.Address) == nil {
		errs = append(errs, fmt.Errorf("field Address must be an IP address, not %q", c.Address))
	}
	if _, err := firstAddress(c.ServiceCIDR); err != nil {
		errs = append(errs, err)
	}
	for _, name := range c.programs() {
		if c.Binaries[name] == "" {
			errs = append(errs, fmt.Errorf("field Binaries must name %s", name))
		}
	}
	return errors.Join(errs...)
}

// programs are the executables that the configuration needs.
func (c *Config) programs() []string {
	names := []string{binaries.Etcd, binaries.KubeAPIServer}
	if c.ControllerManager {
		names = append(names, binaries.KubeControllerManager)
	}
	if c.Scheduler {
		names = append(names, binaries.KubeScheduler)
	}
	return names
}

// firstAddress is the address of the Service kubernetes.default.
func firstAddress(cidr string) (string, error) {
	ip, network, err := net.ParseCIDR(cidr)
	if err != nil || ip.To4() == nil {
		return "", fmt.Errorf("ServiceCIDR must be an IPv4 range like 10.96.0.0/16, not %q", cidr)
	}
	first := network.IP.To4()
	first[3]++
	return first.String(), nil
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
