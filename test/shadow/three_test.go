// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/pkg/poolpki"
	"github.com/steppe-io/steppe/test/pool"
	"github.com/steppe-io/steppe/test/process"
)

// three are the coordinators of one pool.
type three struct {
	pools   []*pool.Pool
	members string // of --initial-cluster
	peers   []string
	dir     string
}

func newThree(t *testing.T) *three {
	t.Helper()
	c := &three{dir: t.TempDir()}
	var members []string
	for i := range 3 {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		c.peers = append(c.peers, fmt.Sprintf("https://127.0.0.1:%d", port))
		members = append(members, fmt.Sprintf("c%d=%s", i, c.peers[i]))
	}
	c.members = strings.Join(members, ",")
	for i := range 3 {
		c.pools = append(c.pools, c.prepare(t, i, fmt.Sprint("c", i), "new"))
	}
	for _, p := range c.pools {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range c.pools {
		if _, err := p.WaitReady(t.Context()); err != nil {
			t.Fatalf("coordinator %d: %v", i, err)
		}
	}
	return c
}

// prepare makes a coordinator with a copy of the pool's CA.
func (c *three) prepare(t *testing.T, i int, folder, state string) *pool.Pool {
	t.Helper()
	p, err := pool.New(pool.Config{
		Dir: filepath.Join(c.dir, folder), PKIDir: filepath.Join(c.dir, "pki"),
		Args: []string{fmt.Sprintf("--name=c%d", i), "--initial-cluster=" + c.members, "--initial-cluster-state=" + state, "--service-cluster-ip-range=10.112.0.0/24"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(p.DataDir(), "pki")
	if i == 0 && state == "new" {
		if _, err := poolpki.Open(poolpki.Config{Dir: own, Pool: pool.Name}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		content, err := os.ReadFile(filepath.Join(c.pools[0].DataDir(), "pki", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(own, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (c *three) client(t *testing.T, i int) *kubernetes.Clientset {
	t.Helper()
	config, err := c.pools[i].AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout = 20 * time.Second
	return kubernetes.NewForConfigOrDie(config)
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// Three coordinators are one server to clients, whichever they ask: same objects,
// same resourceVersions, same tokens; the loss of one changes nothing, and one that
// has lost its disk joins the others again.
func TestThreeCoordinatorsAreOne(t *testing.T) {
	if testing.Short() {
		t.Skip("three coordinators take half a minute")
	}
	c := newThree(t)
	t.Cleanup(func() {
		for _, p := range c.pools {
			p.Kill()
		}
	})
	clients := []*kubernetes.Clientset{c.client(t, 0), c.client(t, 1), c.client(t, 2)}
	ctx := t.Context()
	if _, err := clients[0].CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "site"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	account, err := clients[1].CoreV1().ServiceAccounts("site").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	written, err := clients[0].CoreV1().ConfigMaps("site").Create(ctx, configMap("first"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, client := range clients {
		read, err := client.CoreV1().ConfigMaps("site").Get(ctx, "first", metav1.GetOptions{})
		if err != nil || read.UID != written.UID || read.ResourceVersion != written.ResourceVersion {
			t.Errorf("coordinator %d has %v, %v; want %v", i, read, err, written)
		}
	}

	t.Run("a token of one is good at another", func(t *testing.T) {
		answer, err := clients[0].CoreV1().ServiceAccounts("site").CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bearer := kubernetes.NewForConfigOrDie(&rest.Config{Host: c.pools[2].URL(), BearerToken: answer.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: c.pools[2].CA.CertPEM}})
		review, err := bearer.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		// Forbidden is known: without roles a service account may do nothing.
		if err != nil && !strings.Contains(err.Error(), "system:serviceaccount:site:default") {
			t.Errorf("got %v, %v", review, err)
		}
	})

	t.Run("no address is given twice", func(t *testing.T) {
		var mu sync.Mutex
		given := map[string]string{}
		var work sync.WaitGroup
		for i, client := range clients {
			work.Go(func() {
				for n := range 20 {
					service, err := client.CoreV1().Services("site").Create(ctx, &corev1.Service{
						ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s-%d-%d", i, n)},
						Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
					}, metav1.CreateOptions{})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if other := given[service.Spec.ClusterIP]; other != "" {
						t.Errorf("%s and %s both have %s", other, service.Name, service.Spec.ClusterIP)
					}
					given[service.Spec.ClusterIP] = service.Name
					mu.Unlock()
				}
			})
		}
		work.Wait()
	})

	t.Run("the loss of one is not noticed at another", func(t *testing.T) {
		events, err := clients[1].CoreV1().ConfigMaps("site").Watch(ctx, metav1.ListOptions{ResourceVersion: written.ResourceVersion})
		if err != nil {
			t.Fatal(err)
		}
		defer events.Stop()
		c.pools[0].Kill()
		start := time.Now()
		for i, client := range clients[1:] {
			eventually(t, "a write without the one that is lost", func() error {
				_, err := client.CoreV1().ConfigMaps("site").Create(ctx, configMap(fmt.Sprint("without-", i)), metav1.CreateOptions{})
				return err
			})
		}
		t.Logf("both took writes %s after the loss", time.Since(start).Round(time.Millisecond))
		for _, want := range []string{"without-0", "without-1"} {
			expectAdded(t, events, want)
		}
		if err := c.pools[0].Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.pools[0].WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		a, err1 := clients[0].CoreV1().ConfigMaps("site").Get(ctx, "without-1", metav1.GetOptions{})
		b, err2 := clients[2].CoreV1().ConfigMaps("site").Get(ctx, "without-1", metav1.GetOptions{})
		if err1 != nil || err2 != nil || a.ResourceVersion != b.ResourceVersion {
			t.Errorf("back again it has %v (%v), the other %v (%v)", a, err1, b, err2)
		}
	})

	t.Run("one that has lost its disk is replaced", func(t *testing.T) {
		c.pools[2].Kill()
		// etcd refuses for some seconds after it has seen one come or go.
		eventually(t, "the others let it be replaced", func() error {
			replace := process.New(pool.Program, filepath.Join(t.TempDir(), "log"), "member", "replace", "--data-dir", c.pools[0].DataDir(), "c2", c.peers[2])
			if err := replace.Start(); err != nil {
				return err
			}
			if err := replace.WaitExit(ctx); err != nil {
				return fmt.Errorf("%w: %s", err, replace.Log())
			}
			return nil
		})
		c.pools[2] = c.prepare(t, 2, "c2-again", "existing")
		if err := c.pools[2].Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.pools[2].WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		read, err := c.client(t, 2).CoreV1().ConfigMaps("site").Get(ctx, "first", metav1.GetOptions{})
		if err != nil || read.ResourceVersion != written.ResourceVersion {
			t.Errorf("the new one has %v, %v; want version %s", read, err, written.ResourceVersion)
		}
		list := process.New(pool.Program, filepath.Join(c.dir, "list.log"), "member", "list", "--data-dir", c.pools[2].DataDir())
		if err := list.Start(); err != nil {
			t.Fatal(err)
		}
		if err := list.WaitExit(ctx); err != nil || strings.Count(list.Log(), "true") != 4 { // three have started, one leads
			t.Errorf("%v: %s", err, list.Log())
		}
	})
}

func expectAdded(t *testing.T, events watch.Interface, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		select {
		case event, ok := <-events.ResultChan():
			if !ok {
				t.Fatalf("the watch ended before it told of %s", name)
			}
			if m, ok := event.Object.(*corev1.ConfigMap); ok && event.Type == watch.Added && m.Name == name {
				return
			}
		case <-ctx.Done():
			t.Fatalf("the watch did not tell of %s", name)
		}
	}
}

// A snapshot brings the objects of a moment back, and clients that have seen later
// ones are told to list anew.
func TestSnapshotAndRestore(t *testing.T) {
	ctx := t.Context()
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		command := process.New(pool.Program, filepath.Join(t.TempDir(), "log"), args...)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		err := command.WaitExit(ctx)
		return command.Log(), err
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { p.Kill() }()
	if _, err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	create := func(name string) *corev1.Namespace {
		ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	kept := create("kept")
	file := filepath.Join(t.TempDir(), "snapshot.db")
	if log, err := run("snapshot", "save", file, "--data-dir", p.DataDir()); err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	lost := create("lost")
	if log, err := run("snapshot", "restore", file, "--data-dir", p.DataDir()); err == nil {
		t.Fatalf("data in use was restored over: %s", log)
	}
	p.Stop()
	etcd := filepath.Join(p.DataDir(), "etcd")
	if err := os.Rename(etcd, etcd+".old"); err != nil {
		t.Fatal(err)
	}
	if log, err := run("snapshot", "restore", file, "--data-dir", p.DataDir()); err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].UID != kept.UID {
		t.Errorf("restored are %v", list.Items)
	}
	events, err := client.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{ResourceVersion: lost.ResourceVersion})
	if err != nil {
		return // refused at once is well, too
	}
	defer events.Stop()
	select {
	case event := <-events.ResultChan():
		if status, ok := event.Object.(*metav1.Status); !ok || status.Code != 410 {
			t.Errorf("a watch from before got %v", event)
		}
	case <-time.After(30 * time.Second):
		t.Error("a watch from before is told nothing")
	}
}
