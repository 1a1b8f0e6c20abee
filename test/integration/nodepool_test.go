// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1alpha1"
	"github.com/steppe-io/steppe/apis/apps/v1beta1"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	appsv1beta1 "github.com/steppe-io/steppe/generated/applyconfiguration/apps/v1beta1"
	appsv1beta2 "github.com/steppe-io/steppe/generated/applyconfiguration/apps/v1beta2"
)

func TestCreateFillsInDefaults(t *testing.T) {
	pool := createPool(t, &v1beta2.NodePool{
		Spec: v1beta2.NodePoolSpec{
			PoolScopeMetadata: []metav1.GroupVersionResource{{Group: "example.com", Version: "v1", Resource: "widgets"}},
		},
		Status: v1beta2.NodePoolStatus{ReadyNodeNum: 7},
	})
	want := v1beta2.NodePoolSpec{
		Type:                   v1beta2.Edge,
		LeaderElectionStrategy: v1beta2.ElectionStrategyRandom,
		LeaderReplicas:         1,
		PoolScopeMetadata: []metav1.GroupVersionResource{
			{Group: "example.com", Version: "v1", Resource: "widgets"},
			{Version: "v1", Resource: "services"},
			{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
		},
	}
	if diff := cmp.Diff(want, pool.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v1beta2.NodePoolStatus{}, pool.Status); diff != "" {
		t.Errorf("a creator cannot set the status (-want +got):\n%s", diff)
	}
	if got := pool.Labels[apps.LabelNodePoolType]; got != "edge" {
		t.Errorf("label %s is %q, want edge", apps.LabelNodePoolType, got)
	}
	if pool.Generation != 1 {
		t.Errorf("generation is %d, want 1", pool.Generation)
	}
}

// TestRefusals holds what users see who got something wrong.
func TestRefusals(t *testing.T) {
	existing := createPool(t, &v1beta2.NodePool{})
	pools := shared.Steppe.AppsV1beta2().NodePools()
	create := func(ctx context.Context, pool *v1beta2.NodePool) error {
		if pool.Name == "" {
			pool.Name = "refused"
		}
		_, err := pools.Create(ctx, pool, metav1.CreateOptions{})
		if err == nil {
			deleteLater(t, pool.Name)
		}
		return err
	}
	patch := func(ctx context.Context, patch string) error {
		_, err := pools.Patch(ctx, existing.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	cases := []struct {
		name, reason string
		do           func(ctx context.Context) error
		is           func(error) bool
		want         string
	}{
		{
			name: "unknown type", reason: "the message must name the allowed values",
			do: func(ctx context.Context) error {
				return create(ctx, &v1beta2.NodePool{Spec: v1beta2.NodePoolSpec{Type: "Fog"}})
			},
			is: apierrors.IsInvalid, want: `spec.type: Unsupported value: "Fog": supported values: "Cloud", "Edge"`,
		},
		{
			name: "unknown strategy", reason: "the message must name the allowed values",
			do: func(ctx context.Context) error {
				return create(ctx, &v1beta2.NodePool{Spec: v1beta2.NodePoolSpec{LeaderElectionStrategy: "dice"}})
			},
			is: apierrors.IsInvalid, want: `supported values: "mark", "random"`,
		},
		{
			name: "cloud pool with host network", reason: "cloud nodes have a pod network",
			do: func(ctx context.Context) error {
				return create(ctx, &v1beta2.NodePool{Spec: v1beta2.NodePoolSpec{Type: v1beta2.Cloud, HostNetwork: true}})
			},
			is: apierrors.IsInvalid, want: "spec.hostNetwork: Invalid value: true: may not be true in a pool of `type` Cloud",
		},
		{
			name: "type changed", reason: "nodes have been set up for it",
			do: func(ctx context.Context) error { return patch(ctx, `{"spec":{"type":"Cloud"}}`) },
			is: apierrors.IsInvalid, want: `spec.type: Invalid value: "Cloud": field is immutable`,
		},
		{
			name: "host network changed", reason: "nodes have been set up for it",
			do: func(ctx context.Context) error { return patch(ctx, `{"spec":{"hostNetwork":true}}`) },
			is: apierrors.IsInvalid, want: "spec.hostNetwork: Invalid value: true: field is immutable",
		},
		{
			name: "interconnectivity changed", reason: "nodes have been set up for it",
			do: func(ctx context.Context) error { return patch(ctx, `{"spec":{"interConnectivity":true}}`) },
			is: apierrors.IsInvalid, want: "spec.interConnectivity: Invalid value: true: field is immutable",
		},
		{
			name: "name too long for a label", reason: "no node could join",
			do: func(ctx context.Context) error {
				return create(ctx, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("a", 64)}})
			},
			is: apierrors.IsInvalid, want: "must be no more than 63",
		},
		{
			name: "bad taint", reason: "no node could take it",
			do: func(ctx context.Context) error {
				return create(ctx, &v1beta2.NodePool{Spec: v1beta2.NodePoolSpec{Taints: []corev1.Taint{{Key: "a b", Effect: "Sometimes"}}}})
			},
			is: apierrors.IsInvalid, want: `spec.taints[0].effect: Unsupported value: "Sometimes"`,
		},
		{
			name: "unknown field, strictly", reason: "kubectl asks for strict checks",
			do: func(ctx context.Context) error {
				_, err := pools.Patch(ctx, existing.Name, types.MergePatchType, []byte(`{"spec":{"tpye":"Edge"}}`), metav1.PatchOptions{FieldValidation: "Strict"})
				return err
			},
			is: apierrors.IsInvalid, want: `unknown field "spec.tpye"`,
		},
		{
			name: "old resourceVersion", reason: "somebody else's change would be lost",
			do: func(ctx context.Context) error {
				stale := existing.DeepCopy()
				if err := patch(ctx, `{"spec":{"labels":{"a":"b"}}}`); err != nil {
					return err
				}
				_, err := pools.Update(ctx, stale, metav1.UpdateOptions{})
				return err
			},
			is: apierrors.IsConflict, want: "the object has been modified",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.do(t.Context())
			if !c.is(err) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%s: got %v, want %q", c.reason, err, c.want)
			}
		})
	}
}

func TestPoolWithNodesIsNotDeleted(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	pool := createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"test": "members"}}})
	var nodes []*corev1.Node
	for range 4 {
		nodes = append(nodes, createNode(t, pool.Name))
	}
	refused := func(err error) {
		t.Helper()
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "node-") || !strings.Contains(err.Error(), "and others") {
			t.Fatalf("got %v, want a conflict that names some nodes", err)
		}
	}
	refused(pools.Delete(t.Context(), pool.Name, metav1.DeleteOptions{}))
	refused(pools.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "test=members"}))
	refused(pools.Delete(t.Context(), pool.Name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}))

	for _, node := range nodes {
		if err := shared.Kubernetes.CoreV1().Nodes().Delete(t.Context(), node.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := pools.Delete(t.Context(), pool.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("without nodes: %v", err)
	}
}

// fullPool says everything that v1beta2 can say.
func fullPool(t *testing.T) *v1beta2.NodePool {
	return createPool(t, &v1beta2.NodePool{Spec: v1beta2.NodePoolSpec{
		HostNetwork:             true,
		InterConnectivity:       true,
		Labels:                  map[string]string{"site": "west"},
		Annotations:             map[string]string{"owner": "ops"},
		Taints:                  []corev1.Taint{{Key: "edge", Effect: corev1.TaintEffectNoSchedule}},
		LeaderElectionStrategy:  v1beta2.ElectionStrategyMark,
		LeaderNodeLabelSelector: map[string]string{"leader": "yes"},
		LeaderReplicas:          3,
		EnableLeaderElection:    true,
		PoolScopeMetadata:       []metav1.GroupVersionResource{{Group: "example.com", Version: "v1", Resource: "widgets"}},
	}})
}

// TestOldVersionsLoseNothing writes through older versions in every way that
// clients have, and expects only what was written to change.
func TestOldVersionsLoseNothing(t *testing.T) {
	old1, old0 := shared.Steppe.AppsV1beta1().NodePools(), shared.Steppe.AppsV1alpha1().NodePools()
	cases := []struct {
		name, reason string
		write        func(ctx context.Context, name string) error
	}{
		{
			name: "v1beta1 read and replaced", reason: "an old controller does this",
			write: func(ctx context.Context, name string) error {
				pool, err := old1.Get(ctx, name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				pool.Spec.Labels["site"] = "east"
				_, err = old1.Update(ctx, pool, metav1.UpdateOptions{})
				return err
			},
		},
		{
			name: "v1beta1 replaced by a manifest", reason: "kubectl replace does this: nothing that was read is sent",
			write: func(ctx context.Context, name string) error {
				_, err := old1.Update(ctx, &v1beta1.NodePool{
					ObjectMeta: metav1.ObjectMeta{Name: name},
					Spec: v1beta1.NodePoolSpec{
						HostNetwork: true,
						Labels:      map[string]string{"site": "east"},
						Annotations: map[string]string{"owner": "ops"},
						Taints:      []corev1.Taint{{Key: "edge", Effect: corev1.TaintEffectNoSchedule}},
					},
				}, metav1.UpdateOptions{})
				return err
			},
		},
		{
			name: "v1beta1 patched", reason: "kubectl edit and patch do this",
			write: func(ctx context.Context, name string) error {
				_, err := old1.Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"labels":{"site":"east"}}}`), metav1.PatchOptions{})
				return err
			},
		},
		{
			name: "v1beta1 applied by the server", reason: "GitOps does this",
			write: func(ctx context.Context, name string) error {
				_, err := old1.Apply(ctx, appsv1beta1.NodePool(name).WithSpec(
					appsv1beta1.NodePoolSpec().WithLabels(map[string]string{"site": "east"}),
				), metav1.ApplyOptions{FieldManager: "gitops", Force: true})
				return err
			},
		},
		{
			name: "v1alpha1 replaced by a manifest", reason: "it has no field for host networking either",
			write: func(ctx context.Context, name string) error {
				_, err := old0.Update(ctx, &v1alpha1.NodePool{
					ObjectMeta: metav1.ObjectMeta{Name: name},
					Spec: v1alpha1.NodePoolSpec{
						Labels:      map[string]string{"site": "east"},
						Annotations: map[string]string{"owner": "ops"},
						Taints:      []corev1.Taint{{Key: "edge", Effect: corev1.TaintEffectNoSchedule}},
					},
				}, metav1.UpdateOptions{})
				return err
			},
		},
		{
			name: "v1alpha1 patched", reason: "kubectl edit and patch do this",
			write: func(ctx context.Context, name string) error {
				_, err := old0.Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"labels":{"site":"east"}}}`), metav1.PatchOptions{})
				return err
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			pool := fullPool(t)
			if err := c.write(t.Context(), pool.Name); err != nil {
				t.Fatal(err)
			}
			got, err := shared.Steppe.AppsV1beta2().NodePools().Get(t.Context(), pool.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := pool.Spec
			want.Labels = map[string]string{"site": "east"}
			if diff := cmp.Diff(want, got.Spec); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if _, ok := got.Annotations[apps.AnnotationConversionData]; ok {
				t.Error("conversion data was stored as an annotation")
			}
		})
	}
}

// TestSelectorSurvivesNewerVersions is the other direction: v1alpha1 can say one
// thing that v1beta2 cannot.
func TestSelectorSurvivesNewerVersions(t *testing.T) {
	alpha := shared.Steppe.AppsV1alpha1().NodePools()
	name := poolName(t)
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	_, err := alpha.Create(t.Context(), &v1alpha1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.NodePoolSpec{Type: v1alpha1.Edge, Selector: selector},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deleteLater(t, name)
	if _, err := shared.Steppe.AppsV1beta2().NodePools().Update(t.Context(), &v1beta2.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta2.NodePoolSpec{Labels: map[string]string{"site": "east"}},
	}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := alpha.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(selector, got.Spec.Selector); diff != "" {
		t.Errorf("selector (-want +got):\n%s", diff)
	}
}

// TestServerSideApply checks field ownership across versions.
func TestServerSideApply(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	name := poolName(t)
	apply := func(manager string, force bool, spec *appsv1beta2.NodePoolSpecApplyConfiguration) (*v1beta2.NodePool, error) {
		return pools.Apply(t.Context(), appsv1beta2.NodePool(name).WithSpec(spec), metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	if _, err := apply("one", false, appsv1beta2.NodePoolSpec().WithLeaderReplicas(2).WithLabels(map[string]string{"a": "1"})); err != nil {
		t.Fatal(err)
	}
	deleteLater(t, name)
	if _, err := apply("two", false, appsv1beta2.NodePoolSpec().WithLeaderReplicas(3)); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "one"`) {
		t.Fatalf("got %v, want a conflict that names the owner", err)
	}
	if _, err := apply("two", false, appsv1beta2.NodePoolSpec().WithLabels(map[string]string{"b": "2"})); err != nil {
		t.Fatal(err)
	}
	// The default entries of a list must survive their neighbours' owner.
	gvr := metav1.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	if _, err := apply("three", false, appsv1beta2.NodePoolSpec().WithPoolScopeMetadata(gvr)); err != nil {
		t.Fatal(err)
	}
	// A third party that speaks an older version must not disturb owners.
	if _, err := shared.Steppe.AppsV1beta1().NodePools().Apply(t.Context(), appsv1beta1.NodePool(name).WithSpec(
		appsv1beta1.NodePoolSpec().WithLabels(map[string]string{"c": "3"}),
	), metav1.ApplyOptions{FieldManager: "old"}); err != nil {
		t.Fatal(err)
	}
	// What an applier no longer says goes, if nobody else says it.
	got, err := apply("one", false, appsv1beta2.NodePoolSpec().WithLeaderReplicas(2))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": "2", "c": "3"}, got.Spec.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got.Spec.LeaderReplicas != 2 {
		t.Errorf("leaderReplicas is %d, want 2", got.Spec.LeaderReplicas)
	}
	if len(got.Spec.PoolScopeMetadata) != 3 {
		t.Errorf("poolScopeMetadata is %v, want the defaults beside what was applied", got.Spec.PoolScopeMetadata)
	}
	if _, err := apply("two", false, appsv1beta2.NodePoolSpec().WithLeaderReplicas(3)); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want the first owner to have kept its field", err)
	}
}

func TestStatusSubresource(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	pool := createPool(t, &v1beta2.NodePool{})
	pool.Spec.Labels = map[string]string{"not": "written"}
	pool.Labels["not"] = "written"
	pool.Status = v1beta2.NodePoolStatus{ReadyNodeNum: 1, Nodes: []string{"n1"}, LeaderNum: 1, LeaderEndpoints: []v1beta2.Leader{{NodeName: "n1", Address: "10.0.0.1"}}}
	updated, err := pools.UpdateStatus(t.Context(), pool, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(updated.Spec.Labels) != 0 || updated.Labels["not"] != "" || updated.Generation != 1 {
		t.Errorf("a status update changed more than the status: %+v", updated)
	}
	if diff := cmp.Diff(pool.Status, updated.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	// An old controller updates its part of the status.
	if _, err := shared.Steppe.AppsV1beta1().NodePools().UpdateStatus(t.Context(), &v1beta1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: pool.Name},
		Status:     v1beta1.NodePoolStatus{ReadyNodeNum: 2, Nodes: []string{"n1", "n2"}},
	}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	// A write to the spec leaves it alone.
	if _, err := pools.Patch(t.Context(), pool.Name, types.MergePatchType, []byte(`{"spec":{"labels":{"a":"b"}},"status":{"leaderNum":9}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := pools.Get(t.Context(), pool.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := pool.Status
	want.ReadyNodeNum, want.Nodes = 2, []string{"n1", "n2"}
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got.Generation != 2 {
		t.Errorf("generation is %d, want 2 after one change of the spec", got.Generation)
	}
}

func TestDeprecatedVersionWarns(t *testing.T) {
	const want = `299 - "apps.openyurt.io/v1alpha1 NodePool is deprecated in v1.0.0+; use apps.openyurt.io/v1beta1 NodePool"`
	for version, warned := range map[string]bool{"v1alpha1": true, "v1beta1": false, "v1beta2": false} {
		header := get(t, "/apis/apps.openyurt.io/"+version+"/nodepools", "application/json", &metav1.PartialObjectMetadataList{})
		if got := header.Get("Warning"); (got == want) != warned {
			t.Errorf("%s: warning header is %q", version, got)
		}
	}
}

// TestTables checks what kubectl prints, per version.
func TestTables(t *testing.T) {
	createPool(t, &v1beta2.NodePool{})
	for version, want := range map[string]string{
		"v1alpha1": "Name Type ReadyNodes NotReadyNodes Age",
		"v1beta1":  "Name Type ReadyNodes NotReadyNodes Age",
		"v1beta2":  "Name Type ReadyNodes NotReadyNodes LeaderNodes LeaderElectionAge Age",
	} {
		table := &metav1.Table{}
		get(t, "/apis/apps.openyurt.io/"+version+"/nodepools", "application/json;as=Table;g=meta.k8s.io;v=v1", table)
		var names []string
		for _, column := range table.ColumnDefinitions {
			names = append(names, column.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: columns are %q, want %q", version, got, want)
		}
		if len(table.Rows) == 0 || len(table.Rows[0].Cells) != len(names) {
			t.Errorf("%s: rows are %v", version, table.Rows)
		}
	}
}

func TestDiscovery(t *testing.T) {
	resources, err := shared.Steppe.Discovery().ServerResourcesForGroupVersion("apps.openyurt.io/v1beta2")
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range resources.APIResources {
		if resource.Name == "nodepools" {
			if diff := cmp.Diff([]string{"np"}, resource.ShortNames); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"yurt"}, resource.Categories); diff != "" {
				t.Error(diff)
			}
			if resource.Namespaced || resource.SingularName != "nodepool" {
				t.Errorf("%+v", resource)
			}
		}
	}
	group := &metav1.APIGroup{}
	get(t, "/apis/apps.openyurt.io", "application/json", group)
	var versions []string
	for _, version := range group.Versions {
		versions = append(versions, version.Version)
	}
	if diff := cmp.Diff([]string{"v1beta2", "v1beta1", "v1alpha1"}, versions); diff != "" {
		t.Errorf("versions, preferred first (-want +got):\n%s", diff)
	}
}

// TestWatch resumes a watch where another one ended, and selects by label.
func TestWatch(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	list, err := pools.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pool := createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"watched": "yes"}}})
	createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: poolName(t) + "-other"}})
	if _, err := pools.Patch(t.Context(), pool.Name, types.MergePatchType, []byte(`{"spec":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := pools.Delete(t.Context(), pool.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	resumeAt := list.ResourceVersion
	for _, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
		w, err := pools.Watch(t.Context(), metav1.ListOptions{ResourceVersion: resumeAt, LabelSelector: "watched=yes"})
		if err != nil {
			t.Fatal(err)
		}
		var event watch.Event
		ok := false
		select {
		case event, ok = <-w.ResultChan():
		case <-time.After(patience):
		}
		w.Stop()
		got, isPool := event.Object.(*v1beta2.NodePool)
		if !ok || !isPool || event.Type != want || got.Name != pool.Name {
			t.Fatalf("got %s %v, want %s of %s", event.Type, event.Object, want, pool.Name)
		}
		resumeAt = got.ResourceVersion
	}
}

func TestPagination(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	for i := range 5 {
		createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(poolName(t), "-", i), Labels: map[string]string{"paged": "yes"}}})
	}
	seen, pages := 0, 0
	for options := (metav1.ListOptions{Limit: 2, LabelSelector: "paged=yes"}); ; pages++ {
		page, err := pools.List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(page.Items)
		if options.Continue = page.Continue; page.Continue == "" {
			break
		}
	}
	if seen != 5 || pages != 2 {
		t.Errorf("saw %d pools on %d pages, want 5 on 3", seen, pages+1)
	}
}

func TestDryRun(t *testing.T) {
	name := poolName(t)
	pools := shared.Steppe.AppsV1beta2().NodePools()
	if _, err := pools.Create(t.Context(), &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	if _, err := pools.Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("got %v, want nothing to have been stored", err)
	}
}

// TestLastFinalizerDoesNotOrphanNodes has a node join a pool that waits for a
// finalizer.
func TestLastFinalizerDoesNotOrphanNodes(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	pool := createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"example.com/wait"}}})
	if err := pools.Delete(t.Context(), pool.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	node := createNode(t, pool.Name)
	release := func() error {
		_, err := pools.Patch(t.Context(), pool.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		return err
	}
	if err := release(); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), node.Name) {
		t.Fatalf("got %v, want a conflict that names the node", err)
	}
	if err := shared.Kubernetes.CoreV1().Nodes().Delete(t.Context(), node.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := pools.Get(t.Context(), pool.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("got %v, want the pool to be gone", err)
	}
}

// TestSharedResourcesStay applies manifests again, and in another version: what
// all pools share stays, whether it is named or not.
func TestSharedResourcesStay(t *testing.T) {
	pools := shared.Steppe.AppsV1beta2().NodePools()
	name := poolName(t)
	check := func(what string, want int) {
		t.Helper()
		pool, err := pools.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := pool.Spec.PoolScopeMetadata; len(got) != want {
			t.Errorf("%s: got %v, want %d resources", what, got, want)
		}
	}
	options := metav1.ApplyOptions{FieldManager: "gitops", Force: true}
	old := appsv1beta1.NodePool(name).WithAnnotations(map[string]string{"a": "b"})
	if _, err := shared.Steppe.AppsV1beta1().NodePools().Apply(t.Context(), old, options); err != nil {
		t.Fatal(err)
	}
	deleteLater(t, name)
	check("applied in v1beta1", 2)
	if _, err := pools.Apply(t.Context(), appsv1beta2.NodePool(name), options); err != nil {
		t.Fatal(err)
	}
	check("applied in v1beta2, without the annotation", 2)
	replacement := &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1beta2.NodePoolSpec{
		PoolScopeMetadata: []metav1.GroupVersionResource{{Group: "example.com", Version: "v1", Resource: "widgets"}},
	}}
	for range 2 {
		if _, err := pools.Update(t.Context(), replacement, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		check("replaced by a manifest with one more", 3)
	}
}

// TestPreferringProtobuf asks as many clients do: protobuf if you have it.
func TestPreferringProtobuf(t *testing.T) {
	header := get(t, "/apis/apps.openyurt.io/v1beta2/nodepools", "application/vnd.kubernetes.protobuf, application/json", &v1beta2.NodePoolList{})
	if got := header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the answer is %s", got)
	}
}

// TestBrokenConversionData is a client's mistake however it is made.
func TestBrokenConversionData(t *testing.T) {
	pool := createPool(t, &v1beta2.NodePool{})
	old := shared.Steppe.AppsV1beta1().NodePools()
	broken := map[string]string{apps.AnnotationConversionData: "nonsense"}
	_, errUpdate := old.Update(t.Context(), &v1beta1.NodePool{ObjectMeta: metav1.ObjectMeta{Name: pool.Name, Annotations: broken}}, metav1.UpdateOptions{})
	_, errApply := old.Apply(t.Context(), appsv1beta1.NodePool(pool.Name).WithAnnotations(broken), metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	for how, err := range map[string]error{"update": errUpdate, "apply": errApply} {
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "must be the JSON that the server wrote there") {
			t.Errorf("%s: got %v", how, err)
		}
	}
}

// get reads a path of the kube-apiserver as an administrator, decodes the answer
// and returns its header.
func get(t *testing.T, path, accept string, into any) http.Header {
	t.Helper()
	client, err := rest.HTTPClientFor(shared.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.Server()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.Header
}
