// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
)

// stopPatience is how long a coordinator with open watches may take to end. It
// would be a minute if it waited for its watchers.
const stopPatience = 15 * time.Second

// TestStopsWithOpenWatches asks a coordinator to end while many watch, and starts
// its successor at once on the same data.
func TestStopsWithOpenWatches(t *testing.T) {
	ctx := t.Context()
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Kill() }()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watches := openWatches(t, p, 20)

	began := time.Now()
	p.Stop()
	if took := time.Since(began); took > stopPatience {
		t.Errorf("it took %s to end", took)
	} else {
		t.Logf("ended within %s, with %d watches", took.Round(time.Millisecond), len(watches))
	}
	if err := p.WaitExit(ctx); err != nil {
		t.Errorf("it ended with %v:\n%s", err, tail(p.Log()))
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for i, w := range watches {
		if err := ends(ctx, w); err != nil {
			t.Errorf("watch %d: %v", i, err)
		}
	}
	took, err := p.WaitReady(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the successor was ready within %s", took.Round(time.Millisecond))
	again, err := client.CoreV1().Nodes().Get(ctx, "kept", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again.UID != kept.UID || again.ResourceVersion != kept.ResourceVersion {
		t.Errorf("the successor has node %s at version %s, it was %s at version %s", again.UID, again.ResourceVersion, kept.UID, kept.ResourceVersion)
	}
}

// openWatches opens watches from n clients with connections of their own.
func openWatches(t *testing.T, p *pool.Pool, n int) (watches []watch.Interface) {
	t.Helper()
	for i := range n {
		config, err := p.UserConfig(fmt.Sprint("watcher-", i), "system:masters")
		if err != nil {
			t.Fatal(err)
		}
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range kinds {
			if k.resource == widgets {
				continue
			}
			w, err := client.Resource(k.resource).Watch(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatalf("watching %s: %v", k.resource.Resource, err)
			}
			t.Cleanup(w.Stop)
			watches = append(watches, w)
		}
	}
	return watches
}

// ends waits for the end of a watch.
func ends(ctx context.Context, w watch.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for {
		select {
		case _, ok := <-w.ResultChan():
			if !ok {
				return nil
			}
		case <-ctx.Done():
			return errors.New("it is still open")
		}
	}
}
