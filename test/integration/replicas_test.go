// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/test/cloud"
)

// startEtcd runs an etcd that takes only clients with a certificate, and returns
// the flags that a yurt-apiserver needs for it.
func startEtcd(t *testing.T) []string {
	t.Helper()
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.Etcd)
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	authority, err := pki.EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Ensure(dir, "server", pki.Request{CommonName: "etcd", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Ensure(dir, "client", pki.Request{CommonName: "yurt-apiserver"})
	if err != nil {
		t.Fatal(err)
	}
	clientURL, peerURL := "https://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t)
	cmd := exec.Command(programs[binaries.Etcd],
		"--name=external", "--data-dir="+filepath.Join(dir, "data"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls="+clientURL, "--advertise-client-urls="+clientURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=external="+peerURL,
		"--client-cert-auth", "--trusted-ca-file="+authority.CertFile, "--cert-file="+server.CertFile, "--key-file="+server.KeyFile,
	)
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return []string{
		"--etcd-servers=" + clientURL,
		"--etcd-cafile=" + authority.CertFile, "--etcd-certfile=" + client.CertFile, "--etcd-keyfile=" + client.KeyFile,
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// TestReplicas runs three servers on one external etcd with TLS, behind one
// Service, and kills one after the other while clients write.
func TestReplicas(t *testing.T) {
	const writers = 4
	c := newCloud(t)
	flags := startEtcd(t)
	var servers []*cloud.Server
	var ports []int
	for i := range 3 {
		server := newServer(t, c, fmt.Sprint("replica-", i), flags...)
		servers, ports = append(servers, server), append(ports, server.Port)
	}
	balancer, err := cloud.NewBalancer(ports...)
	if err != nil {
		t.Fatal(err)
	}
	register(t, c, balancer.Port, servers...)

	l := &ledger{acked: map[string]int32{}, sent: map[string]int32{}}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	defer writing.Wait()
	defer stop()
	for i := range writers {
		writing.Go(func() { l.write(ctx, c, fmt.Sprint("counter-", i)) })
	}
	progress := func(what string) {
		t.Helper()
		before := l.total()
		eventually(t, what, func(context.Context) error {
			if done := l.total() - before; done < 100 {
				return fmt.Errorf("%d writes were acknowledged", done)
			}
			return nil
		})
	}
	progress("writes to three replicas")
	for i, server := range servers {
		server.Kill()
		progress(fmt.Sprint("writes without replica ", i))
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		waitHealthy(t, server)
	}
	stop()
	writing.Wait()
	l.check(t, c)
}

// TestReplicaTakesOverCertificate checks that replicas share one certificate,
// also when they start at the same time.
func TestReplicasShareCertificate(t *testing.T) {
	c := newCloud(t)
	flags := startEtcd(t)
	var servers []*cloud.Server
	for i := range 3 {
		servers = append(servers, newServer(t, c, fmt.Sprint("replica-", i), flags...))
	}
	register(t, c, servers[0].Port, servers...)
	secret, err := c.Kubernetes.CoreV1().Secrets("kube-system").Get(t.Context(), "yurt-apiserver-certs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range servers {
		waitHealthy(t, server)
		if got := servedCertificate(t, server); string(got) != string(secret.Data["tls.crt"]) {
			t.Errorf("%s serves another certificate than the one in the secret", server.LogPath)
		}
	}
}
