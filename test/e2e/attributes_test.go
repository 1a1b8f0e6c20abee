// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// attributes are what pools put on a node: of those that begin with marker, the
// labels, annotations and taints.
type attributes struct {
	Labels, Annotations map[string]string
	Taints              []string // sorted
}

func attributesOf(node *corev1.Node) attributes {
	got := attributes{Labels: marked(node.Labels), Annotations: marked(node.Annotations)}
	for _, taint := range node.Spec.Taints {
		if strings.HasPrefix(taint.Key, marker) {
			got.Taints = append(got.Taints, taint.ToString())
		}
	}
	slices.Sort(got.Taints)
	return got
}

func marked(all map[string]string) map[string]string {
	some := map[string]string{}
	for key, value := range all {
		if strings.HasPrefix(key, marker) {
			some[key] = value
		}
	}
	return some
}

// nodeHas returns a check of a node's attributes.
func nodeHas(node string, want attributes) func(context.Context) error {
	return func(ctx context.Context) error {
		live, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, attributesOf(live)); diff != "" {
			return fmt.Errorf("attributes of %s (-want +got):\n%s", node, diff)
		}
		return nil
	}
}

// updateNode changes a node as kubectl label, annotate and taint do.
func updateNode(ctx context.Context, name string, change func(*corev1.Node)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(node)
		_, err = client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err
	})
}

// cleanAtEnd takes everything with the marker off a node at the end.
func cleanAtEnd(t *testing.T, node string) {
	t.Helper()
	t.Cleanup(func() {
		clean := func(ctx context.Context) error {
			return updateNode(ctx, node, func(n *corev1.Node) {
				for key := range marked(n.Labels) {
					delete(n.Labels, key)
				}
				for key := range marked(n.Annotations) {
					delete(n.Annotations, key)
				}
				n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(taint corev1.Taint) bool { return strings.HasPrefix(taint.Key, marker) })
			})
		}
		if err := await(context.Background(), clean); err != nil {
			t.Errorf("clean %s: %v", node, err)
		}
	})
}

func preferNoSchedule(key, value string) corev1.Taint {
	return corev1.Taint{Key: marker + key, Value: value, Effect: corev1.TaintEffectPreferNoSchedule}
}

// What a pool says about its nodes is on them while they are in it, even after
// somebody has changed it there, and is gone when they leave. What others have
// put there is left alone, even if the pool says otherwise; an Event tells so.
func TestNodeHasAttributesOfItsPool(t *testing.T) {
	requirePools(t)
	const name, node = "e2e-attributes", "edge-2"
	cleanAtEnd(t, node)
	err := updateNode(t.Context(), node, func(n *corev1.Node) {
		n.Labels[marker+"owner"], n.Labels[marker+"rack"] = "theirs", "theirs"
		n.Spec.Taints = append(n.Spec.Taints, preferNoSchedule("owner", "theirs"), preferNoSchedule("rack", "theirs"))
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := createPool(t, name, appsv1beta2.NodePoolSpec{
		Labels:      map[string]string{marker + "site": "west", marker + "owner": "pool"},
		Annotations: map[string]string{marker + "contact": "west@example.com"},
		Taints:      []corev1.Taint{preferNoSchedule("site", "west"), preferNoSchedule("owner", "pool")},
	})
	theirs := attributes{
		Labels:      map[string]string{marker + "owner": "theirs", marker + "rack": "theirs"},
		Annotations: map[string]string{},
		Taints:      []string{marker + "owner=theirs:PreferNoSchedule", marker + "rack=theirs:PreferNoSchedule"},
	}
	ofPool := func(site string) attributes {
		return attributes{
			Labels:      map[string]string{marker + "owner": "theirs", marker + "rack": "theirs", marker + "site": site},
			Annotations: map[string]string{marker + "contact": "west@example.com"},
			Taints:      append(slices.Clone(theirs.Taints), marker+"site="+site+":PreferNoSchedule"),
		}
	}

	join(t, cluster.Edge(2), name)
	eventually(t, "the node has what its pool says", nodeHas(node, ofPool("west")))

	err = updateNode(t.Context(), node, func(n *corev1.Node) {
		n.Labels[marker+"site"] = "drifted"
		delete(n.Annotations, marker+"contact")
		n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == marker+"site" })
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "drift is repaired", nodeHas(node, ofPool("west")))

	patch := fmt.Sprintf(`{"spec":{"labels":{"%[1]ssite":"east"},"taints":[{"key":"%[1]ssite","value":"east","effect":"PreferNoSchedule"},{"key":"%[1]sowner","value":"pool","effect":"PreferNoSchedule"}]}}`, marker)
	if _, err := kubectl(t, "", "patch", "nodepool", name, "--type=merge", "--patch="+patch); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node has what its pool says now", nodeHas(node, ofPool("east")))

	if err := setPool(t.Context(), node, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node has only what is not its pool's", nodeHas(node, theirs))
	eventually(t, "the record of what was the pool's is gone", func(ctx context.Context) error {
		live, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err == nil && live.Annotations[apps.AnnotationPreviousAttributes] != "" {
			err = errors.New(live.Annotations[apps.AnnotationPreviousAttributes])
		}
		return err
	})

	live, err := client.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// A node is the same in every run of the tests, and an Event that is
	// repeated is counted, not written again: so a run before this one may have
	// written those of the node.
	eventually(t, "Events", func(ctx context.Context) error {
		return errors.Join(
			hasEvent(ctx, string(pool.UID), "NodeJoined", "Node edge-2 joined"),
			hasEvent(ctx, string(pool.UID), "NodeLeft", "Node edge-2 left"),
			hasEvent(ctx, string(live.UID), "ForeignAttribute", "asks for other values of what was set here by others"),
			hasEvent(ctx, string(live.UID), "NodePoolChanged", "Moved from pool "),
		)
	})
}

// hasEvent checks that there is such an Event about an object.
func hasEvent(ctx context.Context, uid, reason, note string) error {
	// Events about objects without a namespace are in this one.
	list, err := client.EventsV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
	if err != nil {
		return err
	}
	for _, event := range list.Items {
		if string(event.Regarding.UID) == uid && strings.Contains(event.Note, note) {
			return nil
		}
	}
	return fmt.Errorf("no Event %s with %q about %s among %d", reason, note, uid, len(list.Items))
}
