// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package poolpki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

func open(t *testing.T, dir string, at time.Time, addresses ...string) (*PKI, error) {
	t.Helper()
	p := &PKI{
		config: Config{Dir: dir, Pool: "hangzhou", Hosts: []string{"coordinator.example", "192.0.2.9"}},
		clock:  testingclock.NewFakePassiveClock(at),
		addresses: func() ([]net.IP, error) {
			var list []net.IP
			for _, a := range addresses {
				list = append(list, net.ParseIP(a))
			}
			return list, nil
		},
	}
	return p, p.ensure()
}

// serving returns the serving certificate, verified against the CA.
func serving(t *testing.T, p *PKI, host string, at time.Time) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.Serving())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no CA")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: at}); err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestCertificatesAreRenewed(t *testing.T) {
	dir := t.TempDir()
	start := time.Now()
	p, err := open(t, dir, start, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	first := serving(t, p, "192.0.2.1", start)
	serving(t, p, "coordinator.example", start)
	serving(t, p, "192.0.2.9", start)

	again, err := open(t, dir, start.Add(lifetime/2), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if kept := serving(t, again, "192.0.2.1", start); !kept.Equal(first) {
		t.Error("a certificate with half of its life before it was replaced")
	}
	late := start.Add(lifetime * 3 / 4)
	renewed, err := open(t, dir, late, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if cert := serving(t, renewed, "192.0.2.1", late); cert.Equal(first) || !cert.NotAfter.After(late.Add(lifetime-time.Hour)) {
		t.Errorf("a certificate with a quarter of its life before it was not renewed: it ends %s", cert.NotAfter)
	}
}

func TestAddressOfMachineChanges(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(t, dir, time.Now(), "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	p, err := open(t, dir, time.Now(), "192.0.2.2")
	if err != nil {
		t.Fatal(err)
	}
	serving(t, p, "192.0.2.2", time.Now())
}

func TestPeersKnowEachOtherByCA(t *testing.T) {
	first, err := open(t, t.TempDir(), time.Now(), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	second := t.TempDir()
	for _, name := range []string{"ca.crt", "ca.key"} {
		content, err := os.ReadFile(first.path(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(second, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	other, err := open(t, second, time.Now(), "192.0.2.2")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := other.Peer()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(first.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("as %v: %v", usage, err)
		}
	}
}

func TestCAIsNeverReplaced(t *testing.T) {
	cases := map[string]struct {
		spoil func(t *testing.T, p *PKI)
		want  string
	}{
		"damaged": {func(t *testing.T, p *PKI) {
			if err := os.WriteFile(p.path("ca.crt"), []byte("?"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "restore ca.crt and ca.key"},
		"without key": {func(t *testing.T, p *PKI) {
			if err := os.Remove(p.path("ca.key")); err != nil {
				t.Fatal(err)
			}
		}, "there is only"},
		"without certificate": {func(t *testing.T, p *PKI) {
			if err := os.Remove(p.path("ca.crt")); err != nil {
				t.Fatal(err)
			}
		}, "there is only"},
		"ended": {func(_ *testing.T, p *PKI) {
			p.clock = testingclock.NewFakePassiveClock(time.Now().Add(caLifetime + time.Hour))
		}, "has ended"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := open(t, t.TempDir(), time.Now(), "192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, p)
			if err := p.ensure(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// Files may be away for a moment, as while somebody replaces them.
func TestCAIsMadeAtTheStartAlone(t *testing.T) {
	now := time.Now()
	p, err := open(t, t.TempDir(), now, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	before := serving(t, p, "192.0.2.1", now)
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := os.Rename(p.path(name), p.path(name+".away")); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.ensure(); err == nil || !strings.Contains(err.Error(), "no longer") {
		t.Errorf("without its CA it says %v", err)
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := os.Rename(p.path(name+".away"), p.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.ensure(); err != nil {
		t.Fatal(err)
	}
	if !serving(t, p, "192.0.2.1", now).Equal(before) {
		t.Error("it has another certificate")
	}
}

func TestKeysAreTheOwnersAlone(t *testing.T) {
	p, err := open(t, t.TempDir(), time.Now(), "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca", "serving", "peer"} {
		info, err := os.Stat(p.path(name + ".key"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s.key may be read by others: %s", name, info.Mode())
		}
	}
}

func TestMachineAddresses(t *testing.T) {
	list, err := machineAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range list {
		if ip.IsLoopback() {
			return
		}
	}
	t.Errorf("no loopback among %v", list)
}
