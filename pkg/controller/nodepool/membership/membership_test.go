// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps"
)

func node(name, pool string, ready corev1.ConditionStatus) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if pool != "" {
		n.Labels = map[string]string{apps.LabelNodePool: pool}
	}
	if ready != "" {
		n.Status.Conditions = []corev1.NodeCondition{
			{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue},
			{Type: corev1.NodeReady, Status: ready},
		}
	}
	return n
}

func TestObserve(t *testing.T) {
	cases := map[string]struct {
		reason  string
		before  []*corev1.Node
		observe *corev1.Node
		changed []string
		views   map[string]View
	}{
		"Joins": {
			reason:  "a node with a pool label counts in its pool",
			observe: node("a", "p", corev1.ConditionTrue),
			changed: []string{"p"},
			views:   map[string]View{"p": {Nodes: []string{"a"}, Ready: 1}},
		},
		"InNoPool": {
			reason:  "a node without a label concerns nobody",
			observe: node("a", "", corev1.ConditionTrue),
		},
		"Heartbeat": {
			reason:  "an update without a change of pool or readiness must cost no write",
			before:  []*corev1.Node{node("a", "p", corev1.ConditionTrue)},
			observe: node("a", "p", corev1.ConditionTrue),
			views:   map[string]View{"p": {Nodes: []string{"a"}, Ready: 1}},
		},
		"BecomesUnknown": {
			reason:  "a node that is not heard of is not ready",
			before:  []*corev1.Node{node("a", "p", corev1.ConditionTrue), node("b", "p", corev1.ConditionTrue)},
			observe: node("b", "p", corev1.ConditionUnknown),
			changed: []string{"p"},
			views:   map[string]View{"p": {Nodes: []string{"a", "b"}, Ready: 1, Unready: 1}},
		},
		"NeverReported": {
			reason:  "a node whose kubelet has not started is not ready",
			observe: node("a", "p", ""),
			changed: []string{"p"},
			views:   map[string]View{"p": {Nodes: []string{"a"}, Unready: 1}},
		},
		"Moves": {
			reason:  "both pools look different after a move",
			before:  []*corev1.Node{node("a", "p", corev1.ConditionTrue), node("b", "p", corev1.ConditionFalse)},
			observe: node("a", "q", corev1.ConditionTrue),
			changed: []string{"p", "q"},
			views:   map[string]View{"p": {Nodes: []string{"b"}, Unready: 1}, "q": {Nodes: []string{"a"}, Ready: 1}},
		},
		"MovesAndBecomesUnready": {
			reason:  "the readiness that is taken off the old pool is the old one",
			before:  []*corev1.Node{node("a", "p", corev1.ConditionTrue)},
			observe: node("a", "q", corev1.ConditionFalse),
			changed: []string{"p", "q"},
			views:   map[string]View{"p": {}, "q": {Nodes: []string{"a"}, Unready: 1}},
		},
		"Leaves": {
			reason:  "a node that loses its label leaves",
			before:  []*corev1.Node{node("a", "p", corev1.ConditionTrue)},
			observe: node("a", "", corev1.ConditionTrue),
			changed: []string{"p"},
			views:   map[string]View{"p": {}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := New()
			for _, n := range tc.before {
				m.Observe(n)
			}
			if diff := cmp.Diff(tc.changed, m.Observe(tc.observe)); diff != "" {
				t.Errorf("\n%s\nchanged pools: -want, +got:\n%s", tc.reason, diff)
			}
			for pool, want := range tc.views {
				if diff := cmp.Diff(want, m.View(pool), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("\n%s\nview of %s: -want, +got:\n%s", tc.reason, pool, diff)
				}
			}
		})
	}
}

func TestForget(t *testing.T) {
	m := New()
	m.Observe(node("a", "p", corev1.ConditionTrue))
	if diff := cmp.Diff([]string{"p"}, m.Forget("a")); diff != "" {
		t.Errorf("changed pools: -want, +got:\n%s", diff)
	}
	if changed := m.Forget("a"); changed != nil {
		t.Errorf("forgetting twice changed %v", changed)
	}
	if len(m.nodes) != 0 || len(m.pools) != 0 {
		t.Errorf("an empty map still holds %v and %v", m.nodes, m.pools)
	}
}

// TestManyChanges compares the incremental counts with a recount, after many
// random changes by several writers.
func TestManyChanges(t *testing.T) {
	m := New()
	const writers, steps, each = 4, 2000, 20
	last := make([][]*corev1.Node, writers)
	var wg sync.WaitGroup
	for w := range writers {
		last[w] = make([]*corev1.Node, each)
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for range steps {
				i := random.IntN(each)
				name := fmt.Sprintf("n-%d-%d", w, i)
				if random.IntN(5) == 0 {
					m.Forget(name)
					last[w][i] = nil
					continue
				}
				n := node(name, []string{"", "p", "q", "r"}[random.IntN(4)],
					[]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}[random.IntN(2)])
				m.Observe(n)
				last[w][i] = n
			}
		})
	}
	wg.Wait()
	want := map[string]View{"p": {}, "q": {}, "r": {}}
	for _, nodes := range last {
		for _, n := range nodes {
			if n == nil || PoolOf(n) == "" {
				continue
			}
			v := want[PoolOf(n)]
			v.Nodes = append(v.Nodes, n.Name)
			if Ready(n) {
				v.Ready++
			} else {
				v.Unready++
			}
			want[PoolOf(n)] = v
		}
	}
	for pool, v := range want {
		slices.Sort(v.Nodes)
		if diff := cmp.Diff(v, m.View(pool), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("view of %s: -want, +got:\n%s", pool, diff)
		}
	}
}
