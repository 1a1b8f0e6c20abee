// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const peerName = "peer.pool.test"

// authority is a CA for members.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "peers"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{file: filepath.Join(t.TempDir(), "ca.crt"), cert: cert, key: key}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate and its key, over those that are there.
func (a *authority) issue(t *testing.T, dir, dnsName string, serial int64) PeerTLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "peer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{dnsName}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := PeerTLS{CertFile: filepath.Join(dir, "peer.crt"), KeyFile: filepath.Join(dir, "peer.key"), CAFile: a.file, ServerName: peerName}
	writePEM(t, files.CertFile, "CERTIFICATE", der)
	writePEM(t, files.KeyFile, "PRIVATE KEY", keyDER)
	return files
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// clusterConfigs are the configurations of members a, b and c that form a cluster.
func clusterConfigs(t *testing.T, ca *authority) map[string]Config {
	t.Helper()
	urls := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // when all have a port of their own
		urls[name] = "https://" + listener.Addr().String()
	}
	configs := map[string]Config{}
	for name := range urls {
		home := shortDir(t)
		configs[name] = Config{
			Dir: filepath.Join(home, "data"), UnsafeNoFsync: true,
			Cluster: &Cluster{Name: name, Members: urls, Token: "pool", Form: true, TLS: ca.issue(t, home, peerName, 1)},
		}
	}
	return configs
}

// later is the configuration of a member once its cluster has formed.
func later(cfg Config) Config {
	cluster := *cfg.Cluster
	cluster.Form = false
	cfg.Cluster = &cluster
	return cfg
}

// putUntil writes until a write is taken, as clients do while a leader is elected.
func putUntil(t *testing.T, client *clientv3.Client, key, value string) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		put, err := client.Put(ctx, key, value)
		cancel()
		if err == nil {
			return put.Header.Revision
		}
		if time.Now().After(deadline) {
			t.Fatalf("no write was taken for a minute: %v", err)
		}
	}
}

// history is all events of a prefix, and where the last one stands.
func history(t *testing.T, client *clientv3.Client, prefix string, last int64) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := client.Get(ctx, prefix); err != nil { // waits until the member has what the cluster agreed on
		t.Fatal(err)
	}
	var b strings.Builder
	for r := range client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
		for _, event := range r.Events {
			fmt.Fprintf(&b, "%d %s %s=%s\n", event.Kv.ModRevision, event.Type, event.Kv.Key, event.Kv.Value)
			if event.Kv.ModRevision == last {
				return b.String()
			}
		}
	}
	t.Fatalf("the watch ended before revision %d:\n%s", last, b.String())
	return ""
}

// TestClusterLosesMembers has one member in this process and two in others, of which
// one is killed, comes back, loses its data and is replaced. Then there is no
// majority, and then there is again.
func TestClusterLosesMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	ca := newAuthority(t)
	configs := clusterConfigs(t, ca)
	b, c := spawn(t, configs["b"]), spawn(t, configs["c"])
	a := startMember(t, configs["a"])
	b.waitReady(t)
	c.waitReady(t)
	client := a.Client()
	for i := range 20 {
		if _, err := client.Put(t.Context(), fmt.Sprint("/key/", i%5), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Health(t.Context()); err != nil {
		t.Fatal(err)
	}

	// This watch must notice nothing of all that follows.
	watch := a.NewClient().Watch(t.Context(), "/key/", clientv3.WithPrefix(), clientv3.WithRev(1))
	watched := int64(0)
	watchTo := func(revision int64) {
		t.Helper()
		deadline := time.After(time.Minute)
		for watched < revision {
			select {
			case r, open := <-watch:
				if !open || r.Err() != nil {
					t.Fatalf("the watch ended: %v", r.Err())
				}
				for _, event := range r.Events {
					watched = event.Kv.ModRevision
				}
			case <-deadline:
				t.Fatalf("the watch is at revision %d, want %d", watched, revision)
			}
		}
	}

	makeLeader(t, map[string]*clientv3.Client{"a": client, "b": b.client(t), "c": c.client(t)}, "c")
	c.kill()
	revision := putUntil(t, client, "/key/after", "kill")
	watchTo(revision)
	if want, got := history(t, client, "/key/", revision), history(t, b.client(t), "/key/", revision); got != want {
		t.Errorf("b has history\n%s, a has\n%s", got, want)
	}

	t.Log("it comes back with its data")
	c = spawn(t, later(configs["c"]))
	c.waitReady(t)
	revision = putUntil(t, client, "/key/after", "return")
	want := history(t, client, "/key/", revision)
	if got := history(t, c.client(t), "/key/", revision); got != want {
		t.Errorf("c has history\n%s, a has\n%s", got, want)
	}
	c.kill()

	t.Log("it comes back without its data")
	old := configs["c"].Dir + ".old"
	moveData(t, configs["c"].Dir, old)
	spawn(t, later(configs["c"])).waitRefused(t, ErrNotReplaced)
	spawn(t, configs["c"]).waitRefused(t, ErrNotReplaced)
	url := configs["c"].Cluster.Members["c"]
	for range 2 { // once more changes nothing
		if err := ReplaceMember(t.Context(), b.client(t), "c", url); err != nil {
			t.Fatal(err)
		}
	}
	c = spawn(t, later(configs["c"]))
	c.waitReady(t)
	revision = putUntil(t, client, "/key/after", "replacement")
	want = history(t, client, "/key/", revision)
	if got := history(t, c.client(t), "/key/", revision); got != want {
		t.Errorf("c has history\n%s, a has\n%s", got, want)
	}
	watchTo(revision)
	members, err := Members(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	leaders := 0
	for i, member := range members {
		if member.Leader {
			leaders++
		}
		if name := string(rune('a' + i)); member.Name != name || !member.Started || member.PeerURL != configs["a"].Cluster.Members[name] {
			t.Errorf("member %d is %+v", i, member)
		}
	}
	if len(members) != 3 || leaders != 1 {
		t.Errorf("got %d members and %d leaders, want 3 and 1", len(members), leaders)
	}

	t.Log("its old data comes back")
	c.stop()
	moveData(t, configs["c"].Dir, configs["c"].Dir+".new")
	moveData(t, old, configs["c"].Dir)
	spawn(t, later(configs["c"])).waitRefused(t, ErrRemoved)

	t.Log("most are lost")
	strict := client.Watch(clientv3.WithRequireLeader(t.Context()), "/key/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-strict
	b.kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := a.Health(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("health is %v without a majority, want %v", err, context.DeadlineExceeded)
	}
	select {
	case r := <-strict:
		if !errors.Is(r.Err(), rpctypes.ErrNoLeader) {
			t.Errorf("the watch that requires a leader got %+v, want %v", r, rpctypes.ErrNoLeader)
		}
	case <-time.After(time.Minute):
		t.Error("a watch that requires a leader goes on without one")
	}
	if _, err := client.Put(clientv3.WithRequireLeader(t.Context()), "/key/after", "loss"); !errors.Is(err, rpctypes.ErrNoLeader) {
		t.Errorf("a write that requires a leader got %v, want %v", err, rpctypes.ErrNoLeader)
	}
	stale, err := client.Get(t.Context(), "/key/after", clientv3.WithSerializable())
	if err != nil || string(stale.Kvs[0].Value) != "replacement" {
		t.Errorf("a read that may be stale got %v, %v", stale, err)
	}

	t.Log("a majority is back")
	spawn(t, later(configs["b"])).waitReady(t)
	revision = putUntil(t, client, "/key/after", "majority")
	watchTo(revision)
}

// makeLeader has the named member lead. Only the leader can hand over.
func makeLeader(t *testing.T, clients map[string]*clientv3.Client, name string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		members, err := Members(t.Context(), clients[name])
		if err != nil {
			continue // there is no leader for a moment
		}
		var wanted Member
		leader := ""
		for _, member := range members {
			if member.Name == name {
				wanted = member
			}
			if member.Leader {
				leader = member.Name
			}
		}
		if leader == name {
			return
		}
		if client := clients[leader]; client != nil {
			_, _ = client.MoveLeader(t.Context(), wanted.ID) // tried again
		}
	}
	t.Fatalf("%s does not lead after a minute", name)
}
