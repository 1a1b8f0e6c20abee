// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/attributes"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/status"
	"github.com/steppe-io/steppe/pkg/controller/watchcache"
	"github.com/steppe-io/steppe/test/testcluster"
)

// The tests of this file run the whole controller, with its cache and queues,
// against a real kube-apiserver, and wait for what must come.

var cluster *testcluster.Cluster

func TestMain(m *testing.M) { testcluster.Main(m, &cluster) }

// run starts the controller. It ends with the test, or when stop is called,
// which returns when nothing of it runs any more.
func run(t *testing.T) (c *testcluster.Cluster, stop func()) {
	t.Helper()
	c = testcluster.Need(t, cluster)
	if err := c.ServeNodePools(t.Context()); err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(c.RESTConfig(), manager.Options{
		Scheme:     testcluster.Scheme(),
		Cache:      watchcache.Options(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // one per test
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Add(mgr, Options{Workers: 3, SyncTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("The manager ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return c, stop
}

// count waits until the status of a pool is as given.
func count(t *testing.T, c *testcluster.Cluster, pool string, ready, unready int32, nodes ...string) {
	t.Helper()
	slices.Sort(nodes)
	testcluster.Eventually(t, func() error {
		s := c.Pool(t, pool).Status
		if s.ReadyNodeNum != ready || s.UnreadyNodeNum != unready || !slices.Equal(s.Nodes, nodes) {
			return fmt.Errorf("pool %s has %d ready and %d unready nodes, %v", pool, s.ReadyNodeNum, s.UnreadyNodeNum, s.Nodes)
		}
		return nil
	})
}

// has waits until a node has a label with that value; an empty one means none.
func has(t *testing.T, c *testcluster.Cluster, node, key, value string) {
	t.Helper()
	testcluster.Eventually(t, func() error {
		if got := c.Node(t, node).Labels[key]; got != value {
			return fmt.Errorf("label %s of %s is %q", key, node, got)
		}
		return nil
	})
}

func tier(value string) appsv1beta2.NodePoolSpec {
	return appsv1beta2.NodePoolSpec{
		Labels: map[string]string{"example.com/tier": value},
		Taints: []corev1.Taint{{Key: "example.com/tier", Value: value, Effect: corev1.TaintEffectNoSchedule}},
	}
}

func TestNodesComeAndGo(t *testing.T) {
	c, _ := run(t)
	c.CreateNode(t, "early", "site") // before there is a pool
	c.EventuallyEvent(t, "Node", "early", attributes.ReasonPoolNotFound)
	c.CreatePool(t, "site", tier("gold"))
	count(t, c, "site", 0, 1, "early")
	has(t, c, "early", "example.com/tier", "gold")

	c.CreateNode(t, "late", "site")
	c.SetReady(t, "late", corev1.ConditionTrue)
	count(t, c, "site", 1, 1, "early", "late")
	c.SetReady(t, "early", corev1.ConditionTrue)
	count(t, c, "site", 2, 0, "early", "late")
	c.SetReady(t, "early", corev1.ConditionUnknown)
	count(t, c, "site", 1, 1, "early", "late")

	c.Label(t, "early", apps.LabelNodePool, "")
	count(t, c, "site", 1, 0, "late")
	has(t, c, "early", "example.com/tier", "")
	if err := c.Client.Delete(t.Context(), c.Node(t, "late")); err != nil {
		t.Fatal(err)
	}
	count(t, c, "site", 0, 0)
	c.EventuallyEvent(t, "NodePool", "site", status.ReasonNodeJoined+": Node early joined")
	c.EventuallyEvent(t, "NodePool", "site", status.ReasonNodeJoined+": Node late joined")
	c.EventuallyEvent(t, "NodePool", "site", status.ReasonNodeLeft+": Node early left")
	c.EventuallyEvent(t, "NodePool", "site", status.ReasonNodeLeft+": Node late left")
}

// TestCountsWithinTwoSeconds is what a person sees who labels a node.
func TestCountsWithinTwoSeconds(t *testing.T) {
	c, _ := run(t)
	c.CreatePool(t, "quick", tier("gold"))
	c.CreateNode(t, "quick-first", "quick")
	count(t, c, "quick", 0, 1, "quick-first")
	c.CreateNode(t, "quick", "")
	begin := time.Now()
	c.Label(t, "quick", apps.LabelNodePool, "quick")
	count(t, c, "quick", 0, 2, "quick", "quick-first")
	took := time.Since(begin)
	t.Logf("It took %v", took)
	if took > 2*time.Second {
		t.Errorf("The counts took %v to change, want at most 2 s", took)
	}
}

func TestNodeMoves(t *testing.T) {
	c, _ := run(t)
	c.CreatePool(t, "from", tier("gold"))
	c.CreatePool(t, "to", tier("silver"))
	c.CreateNode(t, "mover", "from")
	has(t, c, "mover", "example.com/tier", "gold")
	count(t, c, "from", 0, 1, "mover")
	c.Label(t, "mover", apps.LabelNodePool, "to")
	count(t, c, "from", 0, 0)
	count(t, c, "to", 0, 1, "mover")
	has(t, c, "mover", "example.com/tier", "silver")
	c.EventuallyEvent(t, "Node", "mover", attributes.ReasonPoolChanged)
}

func TestDriftAndPoolChanges(t *testing.T) {
	c, _ := run(t)
	c.CreatePool(t, "steady", tier("gold"))
	c.CreateNode(t, "steady", "steady")
	has(t, c, "steady", "example.com/tier", "gold")
	c.Label(t, "steady", "example.com/tier", "theirs")
	has(t, c, "steady", "example.com/tier", "gold")
	c.Update(t, "steady", func(n *corev1.Node) { n.Spec.Taints = nil })
	testcluster.Eventually(t, func() error {
		if taints := c.Node(t, "steady").Spec.Taints; !slices.Equal(taints, tier("gold").Taints) {
			return fmt.Errorf("the taints are %v", taints)
		}
		return nil
	})
	c.UpdatePool(t, "steady", func(p *appsv1beta2.NodePool) { p.Spec = tier("silver") })
	has(t, c, "steady", "example.com/tier", "silver")
}

// TestPoolIsLost: the pools are gone from under their nodes, as when the storage
// was replaced. Nodes keep what they have, and follow the pool when it is back.
func TestPoolIsLost(t *testing.T) {
	c, _ := run(t)
	c.CreatePool(t, "lost", tier("gold"))
	c.CreateNode(t, "lost", "lost")
	c.CreateNode(t, "lost-moves", "lost")
	c.CreateNode(t, "lost-leaves", "lost")
	for _, node := range []string{"lost", "lost-moves", "lost-leaves"} {
		has(t, c, node, "example.com/tier", "gold")
	}
	if err := c.Client.Delete(t.Context(), c.Pool(t, "lost")); err != nil {
		t.Fatal(err)
	}
	c.EventuallyEvent(t, "Node", "lost", attributes.ReasonPoolNotFound)
	c.Label(t, "lost-leaves", apps.LabelNodePool, "")
	has(t, c, "lost-leaves", "example.com/tier", "")
	c.Label(t, "lost-moves", apps.LabelNodePool, "lost-too")
	has(t, c, "lost-moves", "example.com/tier", "")
	if node := c.Node(t, "lost"); node.Labels["example.com/tier"] != "gold" || !slices.Equal(node.Spec.Taints, tier("gold").Taints) {
		t.Errorf("the node has lost something: %v, %v", node.Labels, node.Spec.Taints)
	}
	c.CreatePool(t, "lost", tier("silver"))
	has(t, c, "lost", "example.com/tier", "silver")
}

// TestOthersStatusFieldsStay: another controller writes leaders and conditions.
func TestOthersStatusFieldsStay(t *testing.T) {
	c, _ := run(t)
	c.CreatePool(t, "others", tier("gold"))
	c.CreateNode(t, "others-0", "others")
	count(t, c, "others", 0, 1, "others-0")
	pool := c.Pool(t, "others")
	pool.Status.LeaderEndpoints = []appsv1beta2.Leader{{NodeName: "others-0", Address: "192.0.2.1"}}
	pool.Status.LeaderNum = 1
	pool.Status.Conditions = []appsv1beta2.NodePoolCondition{{Type: appsv1beta2.LeaderReady, Status: corev1.ConditionTrue}}
	// And it, or a restored backup, also writes what is ours, and wrongly.
	pool.Status.Nodes, pool.Status.UnreadyNodeNum = []string{"restored"}, 7
	want := pool.Status.DeepCopy()
	if err := c.Client.Status().Update(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	count(t, c, "others", 0, 1, "others-0")
	c.Label(t, "others-0", apps.LabelNodePool, "")
	count(t, c, "others", 0, 0)
	want.Nodes, want.UnreadyNodeNum = nil, 0
	if diff := cmp.Diff(*want, c.Pool(t, "others").Status); diff != "" {
		t.Errorf("status: -want, +got:\n%s", diff)
	}
}

// TestRestart stops the controller, changes everything behind its back, and
// starts it again.
func TestRestart(t *testing.T) {
	c, stop := run(t)
	c.CreatePool(t, "again", tier("gold"))
	c.CreatePool(t, "again-gone", tier("bronze"))
	for _, node := range []string{"again-stays", "again-leaves", "again-drifts"} {
		c.CreateNode(t, node, "again")
		has(t, c, node, "example.com/tier", "gold")
	}
	c.CreateNode(t, "again-orphan", "again-gone")
	has(t, c, "again-orphan", "example.com/tier", "bronze")
	count(t, c, "again", 0, 3, "again-drifts", "again-leaves", "again-stays")
	stop()

	c.Label(t, "again-leaves", apps.LabelNodePool, "")
	c.Label(t, "again-drifts", "example.com/tier", "theirs")
	if err := c.Client.Delete(t.Context(), c.Pool(t, "again-gone")); err != nil {
		t.Fatal(err)
	}
	stays := c.Node(t, "again-stays").ResourceVersion

	run(t)
	has(t, c, "again-leaves", "example.com/tier", "")
	has(t, c, "again-drifts", "example.com/tier", "gold")
	c.EventuallyEvent(t, "Node", "again-orphan", attributes.ReasonPoolNotFound)
	has(t, c, "again-orphan", "example.com/tier", "bronze")
	count(t, c, "again", 0, 2, "again-drifts", "again-stays")
	if now := c.Node(t, "again-stays").ResourceVersion; now != stays {
		t.Errorf("a node that was as it should be has been written: %s, then %s", stays, now)
	}
}

// TestPoolIsRecreated: what was written to the old pool must not be taken for
// the state of the new one.
func TestPoolIsRecreated(t *testing.T) {
	c, _ := run(t)
	c.CreateNode(t, "phoenix", "phoenix")
	for range 3 {
		pool := c.CreatePool(t, "phoenix", tier("gold"))
		count(t, c, "phoenix", 0, 1, "phoenix")
		if err := c.Client.Delete(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyNodesJoinAtOnce: a storm is written a few times, not once per node,
// and reported by few Events.
func TestManyNodesJoinAtOnce(t *testing.T) {
	c, _ := run(t)
	const nodes = 60
	names := make([]string, nodes)
	for i := range names {
		names[i] = fmt.Sprintf("storm-%02d", i)
		c.CreateNode(t, names[i], "")
	}
	pool := c.CreatePool(t, "storm", appsv1beta2.NodePoolSpec{})
	watcher, err := c.Client.Watch(t.Context(), &appsv1beta2.NodePoolList{}, client.MatchingFields{"metadata.name": "storm"})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	for _, name := range names {
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:"storm"}}}`, apps.LabelNodePool)
		if err := c.Client.Patch(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	writes := 0
	for event := range watcher.ResultChan() {
		p, ok := event.Object.(*appsv1beta2.NodePool)
		if !ok {
			t.Fatalf("watch: %v", event)
		}
		if p.ResourceVersion != pool.ResourceVersion {
			writes++
		}
		if len(p.Status.Nodes) == nodes {
			break
		}
	}
	t.Logf("%d nodes took %d writes", nodes, writes)
	if writes > nodes/3 {
		t.Errorf("%d nodes took %d writes", nodes, writes)
	}
	c.EventuallyEvent(t, "NodePool", "storm", " nodes joined: ")
}

// TestNothingRunsAfterTheEnd: the manager waits for what it has started.
func TestNothingRunsAfterTheEnd(t *testing.T) {
	c, stop := run(t)
	c.CreatePool(t, "end", tier("gold"))
	c.CreateNode(t, "end", "end")
	count(t, c, "end", 0, 1, "end")
	stop()
	testcluster.Eventually(t, func() error {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			for _, mark := range []string{"steppe/pkg/controller/nodepool/", "tools/cache.(*Reflector)", "priorityqueue"} {
				if strings.Contains(stack, mark) {
					return fmt.Errorf("still running: %s", stack)
				}
			}
		}
		return nil
	})
}
