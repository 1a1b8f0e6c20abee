// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"context"
	"io"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// maxAsking bounds the memory of answers, maxSummary each at worst.
	maxAsking = 8
	// askTimeout is long for a kubelet that is well, which answers from memory.
	askTimeout = 5 * time.Second
	// listTimeout leaves time to answer within the minute that requests have, even
	// if many nodes are dead.
	listTimeout = 20 * time.Second
	// freshFor is less than the time in which kubelets find new figures.
	freshFor = 5 * time.Second
	// deadFor is how long a node that did not answer is not asked again.
	deadFor = 15 * time.Second
	// forgetAfter is when the next request drops what is of no use any more.
	forgetAfter = time.Minute
)

// summaryQuery spares the kubelet from looking at disks and networks.
var summaryQuery = url.Values{"only_cpu_and_memory": {"true"}}

// GetFunc returns the body of what the kubelet of a node answers.
type GetFunc func(ctx context.Context, node, path string, query url.Values) (io.ReadCloser, error)

// kubelets asks them, and keeps their answers for a while.
type kubelets struct {
	get    GetFunc
	clock  clock.PassiveClock
	asking chan struct{} // one element for each that is being asked

	mu      sync.Mutex // guards the field below
	answers map[string]*answer
}

// answer is the last one of a kubelet.
type answer struct {
	used time.Time // guarded by kubelets.mu

	turn    chan struct{} // one element while somebody has what is below
	at      time.Time
	figures *figures
	err     error
}

func newKubelets(get GetFunc, clock clock.PassiveClock) *kubelets {
	return &kubelets{get: get, clock: clock, asking: make(chan struct{}, maxAsking), answers: map[string]*answer{}}
}

// all returns the figures of those that answer.
func (k *kubelets) all(ctx context.Context, nodes []string) (map[string]*figures, error) {
	within, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var mu sync.Mutex
	found := make(map[string]*figures, len(nodes))
	var group errgroup.Group
	group.SetLimit(maxAsking)
	for _, node := range nodes {
		group.Go(func() error {
			f, err := k.of(within, node)
			if err != nil {
				klog.FromContext(ctx).V(2).Info("Left a node out of metrics", "node", node, "err", err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			found[node] = f
			return nil
		})
	}
	_ = group.Wait() // none fails
	return found, ctx.Err()
}

// of returns the figures of one. Who comes while it is asked waits for its answer.
func (k *kubelets) of(ctx context.Context, node string) (*figures, error) {
	a := k.answer(node)
	if err := enter(ctx, a.turn); err != nil {
		return nil, err
	}
	defer leave(a.turn)
	age := k.clock.Since(a.at)
	if a.figures != nil && age < freshFor || a.err != nil && age < deadFor {
		return a.figures, a.err
	}
	if err := enter(ctx, k.asking); err != nil {
		return nil, err
	}
	defer leave(k.asking)
	f, err := k.ask(ctx, node)
	if ctx.Err() != nil {
		return nil, ctx.Err() // it may not be the kubelet's fault
	}
	a.at, a.figures, a.err = k.clock.Now(), f, err
	return f, err
}

func (k *kubelets) ask(ctx context.Context, node string) (*figures, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	body, err := k.get(ctx, node, "/stats/summary", summaryQuery)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readFigures(body)
}

// answer returns the place of a kubelet's answer, and drops what nobody wants.
func (k *kubelets) answer(node string) *answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	a := k.answers[node]
	if a == nil {
		for name, old := range k.answers {
			if now.Sub(old.used) > forgetAfter {
				delete(k.answers, name)
			}
		}
		a = &answer{turn: make(chan struct{}, 1)}
		k.answers[node] = a
	}
	a.used = now
	return a
}

func enter(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(places <-chan struct{}) { <-places }
