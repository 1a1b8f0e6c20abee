// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
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

// makeLeader has the named member lead.
func makeLeader(t *testing.T, clients map[string]*clientv3.Client, name string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		members, err := Members(t.Context(), clients[name])
		if err != nil {
			t.Fatal(err)
		}
		var leader *clientv3.Client
		var successor uint64
		for _, member := range members {
			if member.Leader {
				leader = clients[member.Name]
			}
			if member.Name == name {
				successor = member.ID
			}
		}
		switch {
		case leader == clients[name]:
			return
		case leader != nil:
			_, _ = leader.MoveLeader(t.Context(), successor) // looked at in the next round
		}
	}
	t.Fatalf("%s does not lead after a minute", name)
}

// TestPeersAreAuthenticated comes to a member's port as various others.
func TestPeersAreAuthenticated(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cfg := clusterConfigs(t, ca)["a"]
	address := strings.TrimPrefix(cfg.Cluster.Members["a"], "https://")
	cfg.Cluster.Members = map[string]string{"a": cfg.Cluster.Members["a"]}
	startMember(t, cfg)

	// handshake returns the serial number of the member's certificate, if it talks
	// to who has these.
	handshake := func(files *PeerTLS) (int64, error) {
		config := &tls.Config{ServerName: peerName, RootCAs: x509.NewCertPool()}
		config.RootCAs.AddCert(ca.cert)
		if files != nil {
			pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		// In TLS 1.3 it is with the first answer that a client learns of its refusal.
		if _, err := fmt.Fprintf(conn, "GET /members HTTP/1.1\r\nHost: %s\r\n\r\n", peerName); err != nil {
			return 0, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return 0, err
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return 0, err
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}

	peer := ca.issue(t, t.TempDir(), peerName, 2)
	if serial, err := handshake(&peer); err != nil || serial != 1 {
		t.Errorf("a peer got serial %d, %v, want 1", serial, err)
	}
	stranger := other.issue(t, t.TempDir(), peerName, 2)
	namesake := ca.issue(t, t.TempDir(), "kubelet.pool.test", 2)
	for name, files := range map[string]*PeerTLS{"without a certificate": nil, "of another CA": &stranger, "of the CA, with another name": &namesake} {
		if _, err := handshake(files); err == nil {
			t.Errorf("who comes %s is let in", name)
		}
	}

	ca.issue(t, filepath.Dir(cfg.Cluster.TLS.CertFile), peerName, 3)
	if serial, err := handshake(&peer); err != nil || serial != 3 {
		t.Errorf("after a renewal a peer got serial %d, %v, want 3", serial, err)
	}
}

// TestGrowsFromAlone makes a lone member one of two, and keeps its data.
func TestGrowsFromAlone(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, newAuthority(t))
	alone := configs["a"]
	alone.Cluster = nil
	s := startMember(t, alone)
	if _, err := s.Client().Put(t.Context(), "/key/", "value"); err != nil {
		t.Fatal(err)
	}
	id := s.ClusterID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = startMember(t, configs["a"])
	members, err := Members(t.Context(), s.Client())
	if err != nil {
		t.Fatal(err)
	}
	if len(members) != 1 || members[0].Name != "a" || members[0].PeerURL != configs["a"].Cluster.Members["a"] {
		t.Fatalf("the members are %+v, want a at its address", members)
	}
	waiting := spawn(t, later(configs["b"])) // which is not expected yet
	waiting.waitRefused(t, errors.New("have this one added on one of them"))
	if err := ReplaceMember(t.Context(), s.Client(), "b", configs["b"].Cluster.Members["b"]); err != nil {
		t.Fatal(err)
	}
	b := spawn(t, later(configs["b"]))
	b.waitReady(t)
	got, err := b.client(t).Get(t.Context(), "/key/")
	if err != nil || len(got.Kvs) != 1 {
		t.Fatalf("got %v, %v, want what was written alone", got, err)
	}
	if s.ClusterID() != id {
		t.Errorf("the cluster ID changed from %s to %s", id, s.ClusterID())
	}
	if err := ReplaceMember(t.Context(), s.Client(), "a", configs["a"].Cluster.Members["a"]); err == nil || !strings.Contains(err.Error(), "cannot replace itself") {
		t.Errorf("replacing oneself gave %v", err)
	}
	if err := RemoveMember(t.Context(), b.client(t), "a"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Failed():
		if !errors.Is(s.Failure(), ErrRemoved) {
			t.Errorf("the removed member failed with %v, want %v", s.Failure(), ErrRemoved)
		}
	case <-time.After(time.Minute):
		t.Error("the removed member goes on")
	}
}

// TestWaitsForOthersWithoutData starts a member without data before all others.
// It must not make a cluster of its own.
func TestWaitsForOthersWithoutData(t *testing.T) {
	t.Parallel()
	cfg := later(clusterConfigs(t, newAuthority(t))["a"])
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if s, err := Start(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, %v, want it to wait", s, err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "member")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it began to make data: %v", err)
	}
}

// TestClusterRestore brings three members back from one snapshot.
func TestClusterRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	source := startMember(t, Config{Dir: shortDir(t), UnsafeNoFsync: true})
	if _, err := source.Client().Put(t.Context(), "/key/", "value"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	if err := SaveSnapshot(t.Context(), source.Dir(), file); err != nil {
		t.Fatal(err)
	}
	var processes []*process
	for _, cfg := range clusterConfigs(t, newAuthority(t)) {
		if err := Restore(t.Context(), file, cfg); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, spawn(t, later(cfg)))
	}
	revision := int64(0)
	for _, p := range processes {
		p.waitReady(t)
		if revision == 0 {
			revision = putUntil(t, p.client(t), "/key/", "new")
		}
	}
	for _, p := range processes {
		got, err := p.client(t).Get(t.Context(), "/key/")
		if err != nil || len(got.Kvs) != 1 || got.Kvs[0].ModRevision != revision || revision <= RestoreRevisionBump {
			t.Errorf("got %v, %v, want revision %d", got, err, revision)
		}
	}
}

func TestRefusesClusterConfig(t *testing.T) {
	valid := func() *Cluster {
		return &Cluster{
			Name: "a", Members: map[string]string{"a": "https://10.0.0.1:2380", "b": "https://b.pool:2380"}, Token: "pool",
			TLS: PeerTLS{CertFile: "c", KeyFile: "k", CAFile: "ca"},
		}
	}
	cases := []struct {
		name   string
		change func(c *Cluster)
		want   string // empty if it is valid
	}{
		{"valid", func(*Cluster) {}, ""},
		{"name not among the members", func(c *Cluster) { c.Name = "c" }, `must include this one, "c"`},
		{"URL without TLS", func(c *Cluster) { c.Members["b"] = "http://10.0.0.2:2380" }, "must be https://HOST:PORT"},
		{"URL without port", func(c *Cluster) { c.Members["b"] = "https://10.0.0.2" }, "must be https://HOST:PORT"},
		{"name that etcd would split", func(c *Cluster) { c.Members["b=c"] = "https://10.0.0.2:2380" }, "must not be empty or contain"},
		{"no token", func(c *Cluster) { c.Token = "" }, "must have a token"},
		{"no certificate", func(c *Cluster) { c.TLS.CertFile = "" }, "must have a certificate"},
		{"no CA", func(c *Cluster) { c.TLS.CAFile = "" }, "must have a certificate, a key and a CA"},
		{"listens at a name", func(c *Cluster) { c.Listen = "a.pool:2380" }, "must listen at IP:PORT"},
		{"listens elsewhere", func(c *Cluster) { c.Listen = "0.0.0.0:12380" }, ""},
		{"own URL has a name", func(c *Cluster) { c.Name = "b" }, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cluster := valid()
			c.change(cluster)
			err := cluster.validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}
