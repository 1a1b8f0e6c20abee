// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pool runs a pool's coordinator for tests and benchmarks, on loopback and
// without root, in a process of its own (see package process).
package pool

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/cmd/pool-coordinator/app"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/test/process"
)

const (
	// Program is what Programs has.
	Program = "pool-coordinator"

	// Name is the name of the pool.
	Name = "hangzhou"
	// Issuer is that of the cluster's service account tokens.
	Issuer = "https://kubernetes.default.svc.cluster.local"

	// patience bounds waits for what takes a second on an idle machine.
	patience = 2 * time.Minute
)

// Programs are what process.Main must know.
var Programs = map[string]func(context.Context) *cobra.Command{Program: app.NewCommand}

// Pool is a coordinator with the cluster's authorities that it trusts.
type Pool struct {
	*process.Process
	// Dir holds everything.
	Dir string
	// Port is where the coordinator listens on loopback.
	Port int
	// CA signs everything.
	CA *pki.Authority
	// TokenKeyFile signs the cluster's service account tokens.
	TokenKeyFile string
}

// Config describes a coordinator. Only Dir is required.
type Config struct {
	// Dir holds everything. Used again, it gives the same pool.
	Dir string
	// PKIDir has the authorities ca and sa of a cluster. Empty makes new ones.
	PKIDir string
	// Args are further flags.
	Args []string
}

// New prepares a coordinator. Start starts it.
func New(config Config) (*Pool, error) {
	pkiDir := config.PKIDir
	if pkiDir == "" {
		pkiDir = filepath.Join(config.Dir, "pki")
	}
	ca, err := pki.EnsureAuthority(pkiDir, "ca")
	if err != nil {
		return nil, err
	}
	key, public, err := pki.EnsureSigningKey(pkiDir, "sa")
	if err != nil {
		return nil, err
	}
	own := filepath.Join(config.Dir, "coordinator")
	serving, err := ca.Ensure(own, "serving", pki.Request{CommonName: Program, Hosts: []string{"127.0.0.1", "localhost"}})
	if err != nil {
		return nil, err
	}
	kubelets, err := ca.Ensure(own, "kubelet-client", pki.Request{CommonName: "pool-coordinator:" + Name, Organization: []string{"system:masters"}})
	if err != nil {
		return nil, err
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--pool=" + Name,
		"--data-dir=" + filepath.Join(own, "data"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + serving.CertFile,
		"--tls-private-key-file=" + serving.KeyFile,
		"--client-ca-file=" + ca.CertFile,
		"--service-account-key-file=" + public,
		"--service-account-issuer=" + Issuer,
		"--kubelet-certificate-authority=" + ca.CertFile,
		"--kubelet-client-certificate=" + kubelets.CertFile,
		"--kubelet-client-key=" + kubelets.KeyFile,
	}, config.Args...)
	if err := os.MkdirAll(own, 0o700); err != nil {
		return nil, err
	}
	return &Pool{
		Process: process.New(Program, filepath.Join(config.Dir, Program+".log"), args...),
		Dir:     config.Dir, Port: port, CA: ca, TokenKeyFile: key,
	}, nil
}

// WaitReady waits until the coordinator is ready, and returns how long that took.
func (p *Pool) WaitReady(ctx context.Context) (time.Duration, error) {
	config, err := p.UserConfig("probe")
	if err != nil {
		return 0, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if p.Exited() {
			return false, fmt.Errorf("the coordinator has ended:\n%s", p.Log())
		}
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
	if err != nil {
		return 0, fmt.Errorf("waiting for the coordinator: %w\n%s", err, p.Log())
	}
	return time.Since(start), nil
}

// DataDir is the coordinator's.
func (p *Pool) DataDir() string { return filepath.Join(p.Dir, "coordinator", "data") }

// URL is where the coordinator serves.
func (p *Pool) URL() string { return "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// AdminConfig is an administrator's access.
func (p *Pool) AdminConfig() (*rest.Config, error) {
	return p.UserConfig("kubernetes-admin", "system:masters")
}

// UserConfig is a user's access, by certificate.
func (p *Pool) UserConfig(user string, groups ...string) (*rest.Config, error) {
	dir, err := os.MkdirTemp(p.Dir, "user-")
	if err != nil {
		return nil, err
	}
	pair, err := p.CA.Ensure(dir, "user", pki.Request{CommonName: user, Organization: groups})
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            p.URL(),
		TLSClientConfig: rest.TLSClientConfig{CAData: p.CA.CertPEM, CertData: pair.CertPEM, KeyData: pair.KeyPEM},
		QPS:             -1,
	}, nil
}
