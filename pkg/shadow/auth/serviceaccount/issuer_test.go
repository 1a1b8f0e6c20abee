// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// memoryStore is a KeyStore for tests of what is kept, and for trouble.
type memoryStore struct {
	mu       sync.Mutex
	record   []byte
	revision int64
	err      error
	lost     int // writes that are yet to lose against somebody else
	reads    int
}

func (s *memoryStore) Get(context.Context) ([]byte, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.record, s.revision, s.err
}

func (s *memoryStore) Put(_ context.Context, record []byte, revision int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 {
		s.lost--
		return false, nil
	}
	if s.err != nil || revision != s.revision {
		return false, s.err
	}
	s.record, s.revision = record, s.revision+1
	return true, nil
}

func (s *memoryStore) keys(t *testing.T) []issuerKey {
	t.Helper()
	set, err := parseKeySet(s.record)
	if err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func newTestIssuer(t *testing.T, store KeyStore, clock *clocktesting.FakePassiveClock) *Issuer {
	t.Helper()
	issuer, err := NewIssuer(IssuerConfig{URL: poolIssuer, Store: store, clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func load(t *testing.T, issuers ...*Issuer) {
	t.Helper()
	for _, issuer := range issuers {
		if err := issuer.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// issue makes a token of app/web that lives for an hour.
func issue(t *testing.T, issuer *Issuer) string {
	t.Helper()
	now := issuer.config.clock.Now()
	token, err := issuer.sign(jwt.Claims{
		Subject:  "system:serviceaccount:app:web",
		Audience: jwt.Audience{apiAudience},
		Expiry:   jwt.NewNumericDate(now.Add(time.Hour)),
	}, boundClaims{Kubernetes: kubernetesClaims{Namespace: "app", ServiceAccount: reference{Name: "web", UID: "uid-of-web"}}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// verify says why a token of the issuer's URL is refused with the issuer's keys.
func verify(t *testing.T, issuer *Issuer, token string) error {
	t.Helper()
	v := newTestVerifier(t, world(), Trust{Issuers: []string{issuer.URL()}, Keys: issuer})
	v.clock = issuer.config.clock
	_, _, err := v.AuthenticateToken(t.Context(), token)
	return err
}

func etcdClient(t *testing.T) *clientv3.Client {
	t.Helper()
	member, err := etcd.Start(t.Context(), etcd.Config{Dir: filepath.Join(t.TempDir(), "etcd"), UnsafeNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{etcd.Endpoint},
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return member.DialContext(ctx, "tcp", address)
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		if err := member.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestCoordinatorsThatStartTogetherShareOneKey(t *testing.T) {
	client := etcdClient(t)
	clock := clocktesting.NewFakePassiveClock(start)
	issuers := make([]*Issuer, 3)
	var wg sync.WaitGroup
	for i := range issuers {
		issuers[i] = newTestIssuer(t, NewEtcdKeyStore(client, "/steppe/token-issuer"), clock)
		wg.Go(func() {
			if err := issuers[i].Load(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, signs := range issuers {
		for j, verifies := range issuers {
			if err := verify(t, verifies, issue(t, signs)); err != nil {
				t.Errorf("A token of coordinator %d at coordinator %d: %v", i, j, err)
			}
		}
	}

	restarted := newTestIssuer(t, NewEtcdKeyStore(client, "/steppe/token-issuer"), clock)
	load(t, restarted)
	if err := verify(t, restarted, issue(t, issuers[0])); err != nil {
		t.Errorf("After a restart: %v", err)
	}
	otherPool := newTestIssuer(t, NewEtcdKeyStore(client, "/steppe/another-pool"), clock)
	load(t, otherPool)
	if err := verify(t, otherPool, issue(t, issuers[0])); !errors.Is(err, errUnknownKey) {
		t.Errorf("At another pool of the same issuer URL: %v, want %v", err, errUnknownKey)
	}
}

func TestKeysAreReplacedAndKeptWhileTheirTokensLive(t *testing.T) {
	store := &memoryStore{}
	clock := clocktesting.NewFakePassiveClock(start)
	issuer := newTestIssuer(t, store, clock)
	load(t, issuer)

	clock.SetTime(start.Add(DefaultRotateAfter - time.Second))
	load(t, issuer)
	if got := len(store.keys(t)); got != 1 {
		t.Fatalf("Before the key is old there are %d keys, want 1", got)
	}
	old := issue(t, issuer)
	replaced := start.Add(DefaultRotateAfter)
	clock.SetTime(replaced)
	load(t, issuer)
	kept := store.keys(t)
	if len(kept) != 2 || kept[0].Private == nil || kept[1].Private != nil {
		t.Fatalf("After the key was replaced there are %d keys; only the first may have a private key", len(kept))
	}
	if err := verify(t, issuer, old); err != nil {
		t.Errorf("A token that was signed before: %v", err)
	}
	if err := verify(t, issuer, issue(t, issuer)); err != nil {
		t.Errorf("A token that was signed after: %v", err)
	}

	clock.SetTime(replaced.Add(DefaultMaxLifetime + retentionExtra))
	load(t, issuer)
	if got := len(store.keys(t)); got != 2 {
		t.Errorf("While tokens of the old key may live there are %d keys, want 2", got)
	}
	clock.SetTime(replaced.Add(DefaultMaxLifetime + retentionExtra + time.Second))
	load(t, issuer)
	if got := len(store.keys(t)); got != 1 {
		t.Errorf("When no token of the old key can live there are %d keys, want 1", got)
	}
	if err := verify(t, issuer, old); !errors.Is(err, errUnknownKey) {
		t.Errorf("A token of the dropped key: %v, want %v", err, errUnknownKey)
	}
}

func TestAKeyThatAnotherCoordinatorMadeIsLearnedFromItsFirstToken(t *testing.T) {
	store := &memoryStore{}
	clock := clocktesting.NewFakePassiveClock(start)
	one, two := newTestIssuer(t, store, clock), newTestIssuer(t, store, clock)
	load(t, one, two)
	clock.SetTime(start.Add(DefaultRotateAfter))
	load(t, one)
	if err := verify(t, two, issue(t, one)); err != nil {
		t.Error(err)
	}
}

func TestUnknownKeysAreLookedForOncePerInterval(t *testing.T) {
	store := &memoryStore{}
	clock := clocktesting.NewFakePassiveClock(start)
	issuer := newTestIssuer(t, store, clock)
	load(t, issuer)
	before := store.reads
	for range 1000 {
		if got := issuer.Keys(t.Context(), "forged"); got != nil {
			t.Fatal("found a key that does not exist")
		}
	}
	if got := store.reads - before; got != 1 {
		t.Errorf("1000 unknown keys were looked for %d times, want 1", got)
	}
	clock.SetTime(start.Add(unknownKeyInterval))
	issuer.Keys(t.Context(), "forged")
	if got := store.reads - before; got != 2 {
		t.Errorf("After the interval it was looked for %d times, want 2", got)
	}
}

func TestAClockThatJumpsDoesNotPileUpKeys(t *testing.T) {
	store := &memoryStore{}
	ahead := newTestIssuer(t, store, clocktesting.NewFakePassiveClock(start.AddDate(1, 0, 0)))
	right := newTestIssuer(t, store, clocktesting.NewFakePassiveClock(start))
	load(t, right)
	for range 10 {
		load(t, ahead, right)
	}
	if got := len(store.keys(t)); got != 2 {
		t.Errorf("Two coordinators whose clocks are a year apart made %d keys, want 2", got)
	}
	if err := verify(t, right, issue(t, right)); err != nil {
		t.Errorf("A token of the one whose clock is right: %v", err)
	}
}

func TestTheNumberOfKeysIsBounded(t *testing.T) {
	set := keySet{Version: keySetVersion}
	now := start
	var err error
	for range maxKeys {
		now = now.Add(time.Hour)
		if set, _, err = set.kept(now, time.Hour, 1000*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err = set.kept(now.Add(time.Hour), time.Hour, 1000*time.Hour); err == nil || !strings.Contains(err.Error(), "64 keys") {
		t.Fatalf("Got %v, want an error about 64 keys", err)
	}

	store := &memoryStore{record: must(json.Marshal(set)), revision: 1}
	issuer, err := NewIssuer(IssuerConfig{
		URL: poolIssuer, Store: store, RotateAfter: time.Hour, MaxLifetime: 1000 * time.Hour,
		clock: clocktesting.NewFakePassiveClock(now.Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	load(t, issuer)
	if err := verify(t, issuer, issue(t, issuer)); err != nil {
		t.Errorf("The key that cannot be replaced no longer works: %v", err)
	}
}

func TestIssuerOutlivesTroubleWithItsStore(t *testing.T) {
	store := &memoryStore{err: errors.New("no quorum")}
	issuer := newTestIssuer(t, store, clocktesting.NewFakePassiveClock(start))
	if err := issuer.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "no quorum") {
		t.Fatalf("Load: %v, want the store's error", err)
	}
	if _, err := issuer.sign(jwt.Claims{}, boundClaims{}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("Signing without keys: %v, want it to be unavailable", err)
	}
	store.err = nil
	store.lost = 2
	load(t, issuer)
	token := issue(t, issuer)
	store.err = errors.New("no quorum")
	if err := verify(t, issuer, token); err != nil {
		t.Errorf("Without the store: %v", err)
	}
	if err := verify(t, issuer, issue(t, issuer)); err != nil {
		t.Errorf("Signed without the store: %v", err)
	}

	store.err = nil
	good := store.record
	for name, record := range map[string]string{
		"no JSON":         "s3cr3t",
		"a later version": `{"version":2}`,
		"no keys":         `{"version":1}`,
		"no private key":  strings.Replace(string(good), `"private"`, `"other"`, 1),
		"no public key":   strings.Replace(string(good), `"public"`, `"other"`, 1),
	} {
		store.record = []byte(record)
		if err := issuer.Load(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("A record with %s: got %v, want an error that does not quote it", name, err)
		}
		if diff := cmp.Diff(record, string(store.record)); diff != "" {
			t.Errorf("A record with %s was changed:\n%s", name, diff)
		}
		if err := verify(t, issuer, issue(t, issuer)); err != nil {
			t.Errorf("After a record with %s: %v", name, err)
		}
	}
	store.record, store.lost = nil, 5
	store.revision = 0
	if err := newTestIssuer(t, store, clocktesting.NewFakePassiveClock(start)).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "keep changing") {
		t.Errorf("Always losing to others: %v", err)
	}
}

func TestRunKeepsTheKeysAndEndsWithItsContext(t *testing.T) {
	issuer := newTestIssuer(t, &memoryStore{}, clocktesting.NewFakePassiveClock(start))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { issuer.Run(ctx) })
	deadline := time.Now().Add(10 * time.Second)
	for len(issuer.known("")) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("no key was made")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
}

func TestConfigurationOfTheIssuerIsChecked(t *testing.T) {
	good := IssuerConfig{URL: poolIssuer, Store: &memoryStore{}}
	for name, c := range map[string]struct {
		change func(*IssuerConfig)
		want   string
	}{
		"no URL":            {func(c *IssuerConfig) { c.URL = "" }, "URL"},
		"issuer of Secrets": {func(c *IssuerConfig) { c.URL = LegacyIssuer }, "URL"},
		"no store":          {func(c *IssuerConfig) { c.Store = nil }, "store"},
		"short lifetime":    {func(c *IssuerConfig) { c.MaxLifetime = time.Minute }, "600 seconds or more"},
		"hectic rotation":   {func(c *IssuerConfig) { c.RotateAfter = time.Minute }, "an hour or more"},
	} {
		config := good
		c.change(&config)
		if _, err := NewIssuer(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %q", name, err, c.want)
		}
	}
}
