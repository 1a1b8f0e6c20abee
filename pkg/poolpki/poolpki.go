// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package poolpki keeps the certificates by which a pool's coordinators are known:
// to their clients, and to each other. They are signed by a CA of the pool's own, so
// that they can be renewed while the cloud is out of reach, and one pool's mean
// nothing in another.
//
// A directory holds them all. ca.crt and ca.key are made if they are missing at the
// start, never later, as somebody may be about to replace them; where a pool has
// several coordinators, both are copied from the first to the others, as kubeadm has
// it for control planes. The other pairs are this coordinator's own. They are renewed
// here, long before they end and when what they are made out to changes. The CA is
// not: who replaces its files has the others renewed with it.
//
// Files are replaced as a whole, and are on disk before the old ones are gone. A
// certificate and its key are two files: a reader that finds two that do not fit is
// to read again.
package poolpki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/steppe-io/steppe/pkg/authority"
)

const (
	// caLifetime is longer than the hardware of a site is used.
	caLifetime = 20 * 365 * 24 * time.Hour
	// lifetime leaves a month to mend a coordinator that cannot renew.
	lifetime = 90 * 24 * time.Hour

	// checkPeriod is how late a changed address is noticed.
	checkPeriod = time.Minute
)

// PeerName is the name that all coordinators of a pool have as peers, and nobody
// else has.
func PeerName(pool string) string { return pool + ".peers.pool-coordinator.steppe.io" }

// Config says where the certificates are and what they are made out to.
type Config struct {
	// Dir holds the files. It is made if it is missing.
	Dir string
	// Pool is the name of the NodePool.
	Pool string
	// Hosts are names and addresses that the coordinator is reached by, beside its
	// machine's own.
	Hosts []string
}

// PKI keeps the certificates.
type PKI struct {
	config    Config
	clock     clock.PassiveClock
	addresses func() ([]net.IP, error) // the machine's

	hasCA   bool   // whether there has been a CA
	trouble string // what failed last, so that it is logged once
}

// Open makes sure of all the files.
func Open(config Config) (*PKI, error) {
	p := &PKI{config: config, clock: clock.RealClock{}, addresses: machineAddresses}
	return p, p.ensure()
}

// CAFile has the CAs to be trusted.
func (p *PKI) CAFile() string { return p.path("ca.crt") }

// Serving are the files of the certificate for clients.
func (p *PKI) Serving() (cert, key string) { return p.path("serving.crt"), p.path("serving.key") }

// Peer are the files of the certificate for other coordinators, as their server
// and as their client.
func (p *PKI) Peer() (cert, key string) { return p.path("peer.crt"), p.path("peer.key") }

// Run renews the certificates until ctx is done.
func (p *PKI) Run(ctx context.Context) {
	wait.JitterUntilWithContext(ctx, p.check, checkPeriod, 0.1, true)
}

func (p *PKI) check(ctx context.Context) {
	logger := klog.FromContext(ctx)
	trouble := ""
	if err := p.ensure(); err != nil {
		trouble = err.Error()
	}
	switch {
	case trouble == p.trouble:
	case trouble != "":
		logger.Info("Could not renew the pool's certificates, will try again", "dir", p.config.Dir, "period", checkPeriod, "err", trouble)
	default:
		logger.Info("Pool's certificates are in order again", "dir", p.config.Dir)
	}
	p.trouble = trouble
}

func (p *PKI) path(name string) string { return filepath.Join(p.config.Dir, name) }

// ensure makes or renews what must be.
func (p *PKI) ensure() error {
	if err := os.MkdirAll(p.config.Dir, 0o700); err != nil {
		return err
	}
	ca, err := p.ensureCA()
	if err != nil {
		return err
	}
	p.hasCA = true
	machine, err := p.addresses()
	if err != nil {
		return fmt.Errorf("finding the addresses of this machine: %w", err)
	}
	serving, err := p.request(machine)
	if err != nil {
		return err
	}
	peer := serving
	peer.CommonName = PeerName(p.config.Pool)
	peer.DNSNames = append(slices.Clone(peer.DNSNames), PeerName(p.config.Pool))
	peer.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return errors.Join(p.ensurePair("serving", ca, serving), p.ensurePair("peer", ca, peer))
}

// request is what the serving certificate must answer.
func (p *PKI) request(machine []net.IP) (authority.Request, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return authority.Request{}, err
	}
	request := authority.Request{
		CommonName: "pool-coordinator:" + p.config.Pool,
		DNSNames:   []string{"localhost", "pool-coordinator.kube-system.svc", "kubernetes.default.svc"},
		Addresses:  machine,
		Usages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		Lifetime:   lifetime,
	}
	for _, host := range append([]string{hostname}, p.config.Hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			request.Addresses = append(request.Addresses, ip)
		} else {
			request.DNSNames = append(request.DNSNames, host)
		}
	}
	slices.Sort(request.DNSNames)
	request.DNSNames = slices.Compact(request.DNSNames)
	return request, nil
}

// ensureCA reads the CA, or makes it if there is none. One that is there and cannot
// be used is an error: clients trust it.
func (p *PKI) ensureCA() (*authority.Authority, error) {
	pair, err := p.read("ca")
	if errors.Is(err, fs.ErrNotExist) {
		return p.newCA()
	}
	if err != nil {
		return nil, err
	}
	ca, err := authority.Parse(pair.Certificate, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("the CA of the pool in %s cannot be used: restore ca.crt and ca.key from a backup or from another coordinator, or remove both for a new CA, which all clients of the pool must then be told to trust: %w", p.config.Dir, err)
	}
	if end := ca.Certificates[0].NotAfter; p.clock.Now().After(end) {
		return nil, fmt.Errorf("the CA of the pool in %s has ended on %s: remove ca.crt and ca.key for a new one, which all clients of the pool must then be told to trust", p.config.Dir, end.Format(time.DateOnly))
	}
	return ca, nil
}

func (p *PKI) newCA() (*authority.Authority, error) {
	for _, name := range []string{"ca.crt", "ca.key"} {
		if _, err := os.Lstat(p.path(name)); err == nil {
			return nil, fmt.Errorf("of the CA of the pool there is only %s: restore the other file beside it, or remove it for a new CA, which all clients of the pool must then be told to trust", p.path(name))
		}
	}
	if p.hasCA {
		return nil, fmt.Errorf("the CA of the pool is no longer in %s: restore ca.crt and ca.key, or restart the coordinator for a new CA, which all clients of the pool must then be told to trust", p.config.Dir)
	}
	ca, err := authority.New("steppe-pool-ca:"+p.config.Pool, caLifetime, p.clock.Now())
	if err != nil {
		return nil, err
	}
	var pair authority.Pair
	if pair.Certificate, pair.Key, err = ca.PEM(); err != nil {
		return nil, err
	}
	return ca, p.write("ca", pair)
}

func (p *PKI) ensurePair(name string, ca *authority.Authority, request authority.Request) error {
	pair, err := p.read(name)
	if err == nil && ca.Answers(pair, request, p.clock.Now()) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if pair, err = ca.Issue(request, p.clock.Now()); err != nil {
		return err
	}
	return p.write(name, pair)
}

func (p *PKI) read(name string) (authority.Pair, error) {
	var pair authority.Pair
	var err error
	if pair.Certificate, err = os.ReadFile(p.path(name + ".crt")); err != nil {
		return pair, err
	}
	pair.Key, err = os.ReadFile(p.path(name + ".key"))
	return pair, err
}

// write puts the certificate last: it is what tells that there is a pair.
func (p *PKI) write(name string, pair authority.Pair) error {
	if err := replace(p.path(name+".key"), pair.Key, 0o600); err != nil {
		return err
	}
	return replace(p.path(name+".crt"), pair.Certificate, 0o644)
}

// replace replaces a file as a whole.
func replace(path string, content []byte, mode fs.FileMode) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", temporary, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// machineAddresses are those by which other machines, and this one, may know it.
func machineAddresses() ([]net.IP, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var list []net.IP
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			list = append(list, network.IP)
		}
	}
	slices.SortFunc(list, func(a, b net.IP) int { return slices.Compare(a.To16(), b.To16()) })
	return list, nil
}
