// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testcluster gives tests of controllers a real kube-apiserver with
// NodePools. It has no kubelets and no controllers: nodes are what the test
// makes of them.
package testcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
)

const (
	// startTimeout bounds the start of programs that are built already.
	startTimeout = 5 * time.Minute
	// patience is how long Eventually waits. It is far more than anything
	// takes, since many tests share few cores.
	patience = 60 * time.Second
	interval = 20 * time.Millisecond
)

// Cluster is a running control plane and an administrator's access to it.
type Cluster struct {
	*controlplane.ControlPlane
	// Client reads and writes the server directly, as the field manager
	// "someone-else".
	Client client.WithWatch
}

// Main runs the tests of a package with one cluster for all of them, which it
// stores before they run. With -short there is none, and Need skips.
func Main(m *testing.M, cluster **Cluster) {
	os.Exit(func() int {
		ctrllog.SetLogger(klog.Background())
		// The flags are parsed by m.Run only, too late to know of -short.
		for _, arg := range os.Args {
			if arg == "-test.short" || arg == "-test.short=true" {
				return m.Run()
			}
		}
		dir, remove, err := makeDir()
		if err != nil {
			panic(err)
		}
		defer remove()
		c, err := Start(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer c.Stop()
		*cluster = c
		return m.Run()
	}())
}

// Start starts a cluster without NodePools in a folder of its own. The caller
// calls Stop.
func Start(dir string) (*Cluster, error) {
	// Compiling them once takes minutes, and waiting for another package's
	// tests to compile them as long: only `go test -timeout` bounds it.
	programs, err := binaries.Ensure(context.Background(), binaries.Options{}, binaries.ControlPlane()...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout, errors.New("the control plane takes too long"))
	defer cancel()
	cp, err := controlplane.Start(ctx, controlplane.Config{Dir: dir, Binaries: programs})
	if err != nil {
		return nil, err
	}
	c, err := NewClient(cp.RESTConfig())
	if err != nil {
		cp.Stop()
		return nil, err
	}
	return &Cluster{ControlPlane: cp, Client: c}, nil
}

// Need skips the test when there is no cluster.
func Need(t testing.TB, c *Cluster) *Cluster {
	t.Helper()
	if c == nil {
		t.Skip("needs a real control plane; not with -short")
	}
	return c
}

// Scheme has what controllers and tests need.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, eventsv1.AddToScheme, rbacv1.AddToScheme, appsv1beta2.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}

// NewClient returns a client without a cache.
func NewClient(config *rest.Config) (client.WithWatch, error) {
	return client.NewWithWatch(config, client.Options{Scheme: Scheme(), FieldOwner: "someone-else"})
}

// ServeNodePools makes the cluster serve NodePools, in v1beta2 only and without
// validation, and returns when it does. It stands in for yurt-apiserver where
// nothing depends on how pools are stored. Done again, it does nothing.
func (c *Cluster) ServeNodePools(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it takes too long"))
	defer cancel()
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata": map[string]any{
			"name": "nodepools." + apps.GroupName,
			// The group belongs to the community's domain, and this is a test.
			"annotations": map[string]any{"api-approved.kubernetes.io": "unapproved, test only"},
		},
		"spec": map[string]any{
			"group": apps.GroupName,
			"scope": "Cluster",
			"names": map[string]any{"kind": "NodePool", "listKind": "NodePoolList", "plural": "nodepools", "singular": "nodepool"},
			"versions": []any{map[string]any{
				"name": "v1beta2", "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "x-kubernetes-preserve-unknown-fields": true,
				}},
			}},
		},
	}}
	if err := c.Client.Create(ctx, crd); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the CRD of NodePools: %w", err)
	}
	for {
		err := c.Client.List(ctx, &appsv1beta2.NodePoolList{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for NodePools: %w (%w)", context.Cause(ctx), err)
		case <-time.After(interval):
		}
	}
}

// StopServingNodePools takes the API away again, with all pools, and returns
// when it is gone.
func (c *Cluster) StopServingNodePools(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it takes too long"))
	defer cancel()
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("nodepools." + apps.GroupName)
	for {
		err := c.Client.Delete(ctx, crd)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the CRD of NodePools: %w", err)
		}
		listErr := c.Client.List(ctx, &appsv1beta2.NodePoolList{})
		if err != nil && (apierrors.IsNotFound(listErr) || meta.IsNoMatchError(listErr)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of NodePools: %w (%w)", context.Cause(ctx), listErr)
		case <-time.After(interval):
		}
	}
}

// CreateNode creates a node in a pool, or in none, and deletes it when the test
// ends. The taint that admission gives to new nodes is taken off, as the node
// lifecycle controller would do when the node is ready.
func (c *Cluster) CreateNode(t testing.TB, name, pool string, change ...func(*corev1.Node)) *corev1.Node {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	if pool != "" {
		node.Labels[apps.LabelNodePool] = pool
	}
	for _, f := range change {
		f(node)
	}
	c.create(t, node)
	c.Update(t, name, func(n *corev1.Node) {
		n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeNotReady })
	})
	return c.Node(t, name)
}

// CreatePool creates a pool, and deletes it when the test ends.
func (c *Cluster) CreatePool(t testing.TB, name string, spec appsv1beta2.NodePoolSpec) *appsv1beta2.NodePool {
	t.Helper()
	pool := &appsv1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	c.create(t, pool)
	return pool
}

func (c *Cluster) create(t testing.TB, object client.Object) {
	t.Helper()
	if err := c.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Client.Delete(context.Background(), object); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("Delete after the test: %v", err)
		}
	})
}

// Node reads a node.
func (c *Cluster) Node(t testing.TB, name string) *corev1.Node {
	t.Helper()
	node := &corev1.Node{}
	c.get(t, name, node)
	return node
}

// Pool reads a pool.
func (c *Cluster) Pool(t testing.TB, name string) *appsv1beta2.NodePool {
	t.Helper()
	pool := &appsv1beta2.NodePool{}
	c.get(t, name, pool)
	return pool
}

func (c *Cluster) get(t testing.TB, name string, object client.Object) {
	t.Helper()
	if err := c.Client.Get(t.Context(), client.ObjectKey{Name: name}, object); err != nil {
		t.Fatalf("Get: %v", err)
	}
}

// Update reads a node, changes it and writes it back, as kubectl edit does.
func (c *Cluster) Update(t testing.TB, name string, change func(*corev1.Node)) {
	t.Helper()
	for {
		node := c.Node(t, name)
		change(node)
		err := c.Client.Update(t.Context(), node)
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			t.Fatalf("Update: %v", err)
		}
		return
	}
}

// Label does what kubectl label --overwrite does; an empty value removes.
func (c *Cluster) Label(t testing.TB, name, key, value string) {
	t.Helper()
	c.Update(t, name, func(node *corev1.Node) {
		if value == "" {
			delete(node.Labels, key)
		} else {
			node.Labels[key] = value
		}
	})
}

// UpdatePool reads a pool, changes it and writes it back.
func (c *Cluster) UpdatePool(t testing.TB, name string, change func(*appsv1beta2.NodePool)) {
	t.Helper()
	for {
		pool := c.Pool(t, name)
		change(pool)
		err := c.Client.Update(t.Context(), pool)
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			t.Fatalf("Update: %v", err)
		}
		return
	}
}

// SetReady reports a node's readiness as its kubelet would.
func (c *Cluster) SetReady(t testing.TB, name string, status corev1.ConditionStatus) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.Client.Status().Patch(t.Context(), node, client.RawPatch("application/strategic-merge-patch+json", []byte(patch))); err != nil {
		t.Fatalf("Patch status: %v", err)
	}
}

// Eventually waits until check returns nil.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("After %v still: %v", patience, err)
		}
		time.Sleep(interval)
	}
}

// Events returns the notes of the Events about an object, as "reason: note".
func (c *Cluster) Events(t testing.TB, kind, name string) []string {
	t.Helper()
	events := &eventsv1.EventList{}
	if err := c.Client.List(t.Context(), events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
		t.Fatalf("List: %v", err)
	}
	var notes []string
	for _, e := range events.Items {
		if e.Regarding.Kind == kind && e.Regarding.Name == name {
			notes = append(notes, e.Reason+": "+e.Note)
		}
	}
	return notes
}

// EventuallyEvent waits for an Event about an object whose reason and note
// contain the text.
func (c *Cluster) EventuallyEvent(t testing.TB, kind, name, text string) {
	t.Helper()
	Eventually(t, func() error {
		notes := c.Events(t, kind, name)
		for _, note := range notes {
			if strings.Contains(note, text) {
				return nil
			}
		}
		return fmt.Errorf("no event %q about %s %s; there are %q", text, kind, name, notes)
	})
}
