// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// stubCache holds one node and its pool, and panics on every request.
type stubCache struct {
	client.Client
	node *corev1.Node
	pool *appsv1beta2.NodePool
}

func (c *stubCache) Get(_ context.Context, _ client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	switch o := obj.(type) {
	case *corev1.Node:
		c.node.DeepCopyInto(o)
	case *appsv1beta2.NodePool:
		*o = *c.pool // as the cache does, see package watchcache
	}
	return nil
}

// benchNode is a node of usual size that is as it should be.
func benchNode() (*corev1.Node, *appsv1beta2.NodePool) {
	pool := &appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: fullSpec("gold")}
	want, _ := desired(pool)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "n", ResourceVersion: "1",
			Labels: labels{
				apps.LabelNodePool: "p", "example.com/tier": "gold",
				corev1.LabelHostname: "n", corev1.LabelOSStable: "linux", corev1.LabelArchStable: "arm64",
				"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64", "openyurt.io/is-edge-worker": "true",
			},
			Annotations: labels{"example.com/note": "gold", apps.AnnotationPreviousAttributes: want.text(), "node.alpha.kubernetes.io/ttl": "0"},
			ManagedFields: owning(`{"f:metadata":{"f:annotations":{"f:example.com/note":{},"f:` + apps.AnnotationPreviousAttributes +
				`":{}},"f:labels":{"f:example.com/tier":{}}}}`),
		},
		Spec: corev1.NodeSpec{Taints: want.Taints},
	}
	return node, pool
}

// BenchmarkHeartbeat is what most updates of a node cost.
func BenchmarkHeartbeat(b *testing.B) {
	before, _ := benchNode()
	after := before.DeepCopy()
	after.ResourceVersion = "2"
	b.ReportAllocs()
	for b.Loop() {
		if nodeChanged(before, after) {
			b.Fatal("a heartbeat queues the node")
		}
	}
}

// BenchmarkSettled is what a node costs that is looked at and is as it should
// be: at a start once for every node.
func BenchmarkSettled(b *testing.B) {
	node, pool := benchNode()
	c := &stubCache{node: node, pool: pool}
	r := newReconciler(c, c, events.NewFakeRecorder(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Reconcile(b.Context(), request("n")); err != nil {
			b.Fatal(err)
		}
	}
}
