// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// kill ends one of Steppe's programs with SIGKILL and keeps it from being
// started again until the returned function is called, or the test ends.
func kill(t *testing.T, program string) (pod *corev1.Pod, revive func()) {
	t.Helper()
	cloud := cluster.Cloud()
	pod, err := podOf(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	id, ok := strings.CutPrefix(pod.Status.ContainerStatuses[0].ContainerID, "containerd://")
	if !ok {
		t.Fatalf("%s has no container: %+v", program, pod.Status)
	}
	t.Cleanup(func() {
		if err := errors.Join(cloud.StartProcess(context.Background(), "kubelet"), await(context.Background(), restarted(pod))); err != nil {
			t.Errorf("start %s again: %v", program, err)
		}
	})
	if err := cloud.StopProcess(t.Context(), "kubelet"); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Exec(t.Context(), "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", id); err != nil {
		t.Fatal(err)
	}
	return pod, func() {
		if err := cloud.StartProcess(t.Context(), "kubelet"); err != nil {
			t.Fatal(err)
		}
	}
}

// writer creates pools, one after the other, until the server fails.
type writer struct {
	prefix string
	stop   context.CancelFunc
	done   chan struct{}
	// acknowledged are the pools that the server said it has created. They
	// may be read when done is closed.
	acknowledged map[string]types.UID
	end          error // why the writer ended
	enough       chan struct{}
}

// startWriting returns when the server has acknowledged some pools, with the
// writer still at work. The pools are deleted with the test.
func startWriting(t *testing.T, prefix string) *writer {
	t.Helper()
	selector := metav1.ListOptions{LabelSelector: "e2e=" + prefix}
	clean := func(ctx context.Context) error {
		return steppe.AppsV1beta2().NodePools().DeleteCollection(ctx, metav1.DeleteOptions{}, selector)
	}
	if err := await(t.Context(), clean); err != nil { // of a test that was killed
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &writer{prefix: prefix, stop: cancel, done: make(chan struct{}), acknowledged: map[string]types.UID{}, enough: make(chan struct{})}
	t.Cleanup(func() {
		cancel()
		<-w.done
		if err := await(context.Background(), clean); err != nil {
			t.Errorf("delete the pools %s-*: %v", prefix, err)
		}
	})
	go w.run(ctx)
	select {
	case <-w.enough:
	case <-w.done:
		t.Fatalf("the server failed before anything happened to it: %v", w.end)
	}
	return w
}

func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	const enough = 20
	for n := 0; ; n++ {
		if n == enough {
			close(w.enough)
		}
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		pool, err := steppe.AppsV1beta2().NodePools().Create(attempt, &appsv1beta2.NodePool{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", w.prefix, n), Labels: map[string]string{"e2e": w.prefix}},
		}, metav1.CreateOptions{})
		cancel()
		if err != nil {
			w.end = err
			return
		}
		w.acknowledged[pool.Name] = pool.UID
	}
}

// checkAllThere checks that the server has every acknowledged pool, and at most
// one more: that which it was about to acknowledge.
func (w *writer) checkAllThere(t *testing.T) {
	t.Helper()
	w.stop()
	<-w.done
	list, err := steppe.AppsV1beta2().NodePools().List(t.Context(), metav1.ListOptions{LabelSelector: "e2e=" + w.prefix})
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]types.UID{}
	for _, pool := range list.Items {
		stored[pool.Name] = pool.UID
	}
	for name, uid := range w.acknowledged {
		if stored[name] != uid {
			t.Errorf("pool %s was acknowledged as %s and is now %q", name, uid, stored[name])
		}
	}
	if len(stored) > len(w.acknowledged)+1 {
		t.Errorf("there are %d pools of %d acknowledged ones", len(stored), len(w.acknowledged))
	}
	t.Logf("%d pools were acknowledged, %d are there; the last answer was: %v", len(w.acknowledged), len(stored), w.end)
}

// uids returns the identities of the pools of a new cluster.
func uids(t *testing.T) [2]types.UID {
	t.Helper()
	first, err1 := getPool(t, hangzhou)
	second, err2 := getPool(t, shanghai)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return [2]types.UID{first.UID, second.UID}
}

// checkManagerWorks moves a node there and back.
func checkManagerWorks(t *testing.T) {
	t.Helper()
	join(t, cluster.Edge(1), shanghai)
	eventually(t, "yurt-manager counts a node that moves", both(counts(hangzhou, 0, 0), counts(shanghai, 2, 0, "edge-1", "edge-2")))
}

// yurt-apiserver is killed while it writes: its clients are told that it is not
// available, never that there are no pools; and when it is back, all that it
// has acknowledged is there.
func TestServerIsKilled(t *testing.T) {
	requirePools(t)
	before := uids(t)
	w := startWriting(t, "e2e-killed")
	pod, revive := kill(t, yurtAPIServer)
	eventually(t, "the writer ended", func(ctx context.Context) error {
		select {
		case <-w.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if list, err := steppe.AppsV1beta2().NodePools().List(t.Context(), metav1.ListOptions{}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("without a server a list gave %d pools and %v, want a ServiceUnavailable error", len(list.Items), err)
	}
	if _, err := getPool(t, hangzhou); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("without a server a get gave %v, want a ServiceUnavailable error", err)
	}
	revive()
	eventually(t, "yurt-apiserver is ready again", restarted(pod))
	eventually(t, "pools are served again", poolsAsNew)
	if after := uids(t); after != before {
		t.Errorf("the pools were %v and are %v", before, after)
	}
	w.checkAllThere(t)
	checkManagerWorks(t)
}

// The cloud machine loses its power while pools are written: with the control
// plane, Steppe comes back by itself, with all that it has acknowledged.
func TestCloudLosesPower(t *testing.T) {
	requirePools(t)
	cloud := cluster.Cloud()
	before := uids(t)
	healAtEnd(t, cloud)
	server, err1 := podOf(t.Context(), yurtAPIServer)
	manager, err2 := podOf(t.Context(), yurtManager)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	w := startWriting(t, "e2e-powerless")
	if err := cloud.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cloud.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Steppe runs again", both(restarted(server), restarted(manager)))
	eventually(t, "pools are served again", func(ctx context.Context) error {
		_, err := steppe.AppsV1beta2().NodePools().List(ctx, metav1.ListOptions{})
		return err
	})
	if after := uids(t); after != before {
		t.Errorf("the pools were %v and are %v", before, after)
	}
	w.checkAllThere(t)
	checkManagerWorks(t)
	if err := cluster.WaitNodesReady(t.Context()); err != nil {
		t.Error(err)
	}
}

// yurt-manager is killed: pools and nodes stay as they are while it is away, and
// what was changed meanwhile is applied when it is back.
func TestManagerIsKilled(t *testing.T) {
	requirePools(t)
	const name = "e2e-away"
	cleanAtEnd(t, "edge-1")
	createPool(t, name, appsv1beta2.NodePoolSpec{Labels: map[string]string{marker + "site": "before"}})
	join(t, cluster.Edge(1), name)
	labels := func(site string) attributes {
		return attributes{Labels: map[string]string{marker + "site": site}, Annotations: map[string]string{}}
	}
	eventually(t, "the node has its pool's label", nodeHas("edge-1", labels("before")))
	eventually(t, "the node is counted", counts(name, 1, 0, "edge-1"))

	pod, revive := kill(t, yurtManager)
	patch := fmt.Appendf(nil, `{"spec":{"labels":{"%ssite":"after"}}}`, marker)
	if _, err := steppe.AppsV1beta2().NodePools().Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	join(t, cluster.Edge(2), name)
	cleanAtEnd(t, "edge-2")
	// Nobody but the manager would do it, so this is no race.
	if err := errors.Join(counts(name, 1, 0, "edge-1")(t.Context()), nodeHas("edge-1", labels("before"))(t.Context())); err != nil {
		t.Errorf("with yurt-manager away: %v", err)
	}
	revive()
	eventually(t, "yurt-manager is ready again", restarted(pod))
	eventually(t, "nodes that joined meanwhile are counted", both(counts(name, 2, 0, "edge-1", "edge-2"), counts(shanghai, 0, 0)))
	eventually(t, "nodes have the label that changed meanwhile", both(nodeHas("edge-1", labels("after")), nodeHas("edge-2", labels("after"))))
}
