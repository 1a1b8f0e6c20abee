// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apirest "k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/pkg/shadow/shadowtest"
)

const (
	patience = 60 * time.Second
	interval = 10 * time.Millisecond
	site     = "site"
)

// rig is a server with a namespace. ConfigMaps play owners and dependents.
type rig struct {
	kubernetes.Interface
	config *rest.Config
}

func newRig(t *testing.T) *rig {
	t.Helper()
	config, _ := shadowtest.Start(t, nil)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	r := &rig{client, config}
	r.namespace(t, site)
	return r
}

// collect runs a Collector until the test ends, or what it returns is called. It
// knows all objects that are there when this returns.
func (r *rig) collect(t *testing.T, change ...func(*Config)) (end func()) {
	t.Helper()
	config := Config{Client: r.config}
	for _, f := range change {
		f(&config)
	}
	c, err := New(config)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	end = func() {
		cancel()
		<-done
	}
	t.Cleanup(end)
	eventually(t, "the collector knows all", c.synced)
	return end
}

func (r *rig) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := r.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(t, err)
}

// object creates a ConfigMap with owners.
func (r *rig) object(t *testing.T, name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	t.Helper()
	o, err := r.CoreV1().ConfigMaps(site).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners},
	}, metav1.CreateOptions{})
	must(t, err)
	return o
}

// of refers to an owner that waits for its dependents.
func of(o *corev1.ConfigMap) metav1.OwnerReference {
	blocks := true
	return metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: o.Name, UID: o.UID, BlockOwnerDeletion: &blocks}
}

func (r *rig) delete(t *testing.T, o *corev1.ConfigMap, policy metav1.DeletionPropagation) {
	t.Helper()
	must(t, r.CoreV1().ConfigMaps(site).Delete(t.Context(), o.Name, metav1.DeleteOptions{PropagationPolicy: &policy}))
}

// get returns an object, nil if it is not there.
func (r *rig) get(t *testing.T, name string) *corev1.ConfigMap {
	t.Helper()
	o, err := r.CoreV1().ConfigMaps(site).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	must(t, err)
	return o
}

func (r *rig) wantGone(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, name+" is gone", func() bool { return r.get(t, name) == nil })
	}
}

// settle returns when the collector has done what there was to do: the dependent of
// an owner deleted after all else is gone.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	last := r.object(t, "last")
	r.object(t, "last-of-all", of(last))
	r.delete(t, last, metav1.DeletePropagationBackground)
	r.wantGone(t, "last-of-all")
}

func (r *rig) patch(t *testing.T, name, change string) {
	t.Helper()
	_, err := r.CoreV1().ConfigMaps(site).Patch(t.Context(), name, types.MergePatchType, []byte(change), metav1.PatchOptions{})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(interval)
	}
}

func TestDependentsGoWithTheirOwners(t *testing.T) {
	r := newRig(t)
	r.collect(t)
	grandparent := r.object(t, "grandparent")
	parent := r.object(t, "parent", of(grandparent))
	r.object(t, "child", of(parent))
	other := r.object(t, "other")
	r.object(t, "shared", of(parent), of(other))
	r.delete(t, grandparent, metav1.DeletePropagationBackground)
	r.wantGone(t, "parent", "child")
	eventually(t, "what has another owner names that alone", func() bool {
		refs := r.get(t, "shared").OwnerReferences
		return len(refs) == 1 && refs[0].UID == other.UID
	})
	// A controller that has not noticed yet.
	r.object(t, "late", of(parent))
	r.wantGone(t, "late")
}

func TestOrphansStay(t *testing.T) {
	r := newRig(t)
	r.collect(t)
	owner := r.object(t, "owner")
	r.object(t, "a", of(owner))
	r.object(t, "b", of(owner), of(r.object(t, "other")))
	r.delete(t, owner, metav1.DeletePropagationOrphan)
	r.wantGone(t, "owner")
	for name, want := range map[string]int{"a": 0, "b": 1} {
		if o := r.get(t, name); o == nil || len(o.OwnerReferences) != want {
			t.Errorf("%s: %v", name, o)
		}
	}
}

func TestOwnerWaitsForDependentsThatHoldItUp(t *testing.T) {
	r := newRig(t)
	r.collect(t)
	owner := r.object(t, "owner")
	parent := r.object(t, "parent", of(owner))
	r.object(t, "slow", of(parent))
	r.patch(t, "slow", `{"metadata":{"finalizers":["example.com/slow"]}}`)
	free := of(owner)
	free.BlockOwnerDeletion = nil
	r.object(t, "free", free)
	r.patch(t, "free", `{"metadata":{"finalizers":["example.com/slow"]}}`)
	r.delete(t, owner, metav1.DeletePropagationForeground)
	for _, name := range []string{"slow", "free"} {
		eventually(t, name+" is going", func() bool { return r.get(t, name).DeletionTimestamp != nil })
	}
	r.settle(t)
	if r.get(t, "owner") == nil || r.get(t, "parent") == nil {
		t.Fatal("gone before what holds them up")
	}
	r.patch(t, "slow", `{"metadata":{"finalizers":null}}`)
	r.wantGone(t, "slow", "parent", "owner")
	if r.get(t, "free") == nil {
		t.Error("what does not hold up its owner was not to be waited for")
	}
}

func TestOwnerThatWasHeldUpBeforeTheCollectorRanGoes(t *testing.T) {
	r := newRig(t)
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		owner := r.object(t, "owner-"+string(policy[0]+'a'-'A'))
		r.object(t, "dependent-"+string(policy[0]+'a'-'A'), of(owner))
		r.delete(t, owner, policy)
	}
	r.collect(t)
	r.wantGone(t, "owner-f", "dependent-f", "owner-o")
	if o := r.get(t, "dependent-o"); o == nil || len(o.OwnerReferences) != 0 {
		t.Errorf("not orphaned: %v", o)
	}
}

func TestCircleGoes(t *testing.T) {
	r := newRig(t)
	a := r.object(t, "a")
	b := r.object(t, "b", of(a))
	blocks := true
	a.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "b", UID: b.UID, BlockOwnerDeletion: &blocks}}
	a, err := r.CoreV1().ConfigMaps(site).Update(t.Context(), a, metav1.UpdateOptions{})
	must(t, err)
	r.collect(t)
	r.delete(t, a, metav1.DeletePropagationForeground)
	r.wantGone(t, "a", "b")
}

// An absent owner is no reason to delete anything.
func TestDependentsOfOwnersThatAreNotKnownStay(t *testing.T) {
	r := newRig(t)
	before := r.object(t, "before")
	r.object(t, "of-before", of(before))
	r.delete(t, before, metav1.DeletePropagationBackground)
	end := r.collect(t)

	never := of(before)
	never.UID = "00000000-0000-0000-0000-000000000000"
	r.object(t, "of-nobody", never)
	unserved := never
	unserved.APIVersion, unserved.Kind = "example.com/v1", "Thing"
	r.object(t, "of-a-kind-not-served", unserved)
	renamed := r.object(t, "renamed")
	wrong := of(renamed)
	wrong.Name = "another"
	r.object(t, "of-another-name", wrong)
	elsewhere := r.object(t, "elsewhere")
	r.namespace(t, "other")
	_, err := r.CoreV1().ConfigMaps("other").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "of-another-namespace", OwnerReferences: []metav1.OwnerReference{of(elsewhere)}},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "of-a-namespaced-owner", OwnerReferences: []metav1.OwnerReference{of(elsewhere)}},
	}, metav1.CreateOptions{})
	must(t, err)
	r.delete(t, renamed, metav1.DeletePropagationBackground)
	r.delete(t, elsewhere, metav1.DeletePropagationBackground)
	r.settle(t)
	end()

	// What goes while nobody watches is not known to have been there.
	unwatched := r.object(t, "unwatched")
	r.object(t, "of-unwatched", of(unwatched))
	r.delete(t, unwatched, metav1.DeletePropagationBackground)
	r.collect(t)
	r.settle(t)
	for _, name := range []string{"of-before", "of-nobody", "of-a-kind-not-served", "of-another-name", "of-unwatched"} {
		if r.get(t, name) == nil {
			t.Errorf("%s has been deleted", name)
		}
	}
	if _, err := r.CoreV1().ConfigMaps("other").Get(t.Context(), "of-another-namespace", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := r.CoreV1().Nodes().Get(t.Context(), "of-a-namespaced-owner", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestDependentsOfMirroredOwnersAreTheClouds(t *testing.T) {
	r := newRig(t)
	r.collect(t, func(c *Config) {
		c.Mirrored = func(o *metav1.PartialObjectMetadata) bool { return o.Labels["mirrored"] != "" }
	})
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		owner := r.object(t, "owner-of-"+string(policy[0]+'a'-'A'))
		r.patch(t, owner.Name, `{"metadata":{"labels":{"mirrored":"yes"}}}`)
		r.object(t, string(policy[0]+'a'-'A'), of(owner))
		r.delete(t, owner, policy)
	}
	r.settle(t)
	for _, name := range []string{"b", "f"} {
		if o := r.get(t, name); o == nil || o.DeletionTimestamp != nil || len(o.OwnerReferences) != 1 {
			t.Errorf("%s: %v", name, o)
		}
	}
}

// What is not followed must not wait for it.
func TestWhatIsNotFollowedHasNoDependents(t *testing.T) {
	config, resources := shadowtest.Start(t, nil)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	all, err := discover(client.Discovery())
	must(t, err)
	followed := 0
	for _, r := range all {
		if !r.can("watch") || r.Group == "events.k8s.io" { // which are those of core
			continue
		}
		policy := resources.Store(r.GroupResource()).DeleteStrategy.(apirest.GarbageCollectionDeleteStrategy).DefaultGarbageCollectionPolicy(t.Context())
		if (policy == apirest.Unsupported) == r.watched() {
			t.Errorf("%s: the policy is %q, and that it is followed %v", r.GroupResource(), policy, r.watched())
		}
		if r.watched() {
			followed++
		}
	}
	if followed < 20 {
		t.Errorf("only %d are followed", followed)
	}
}

func TestLeaseGoesWithItsNode(t *testing.T) {
	r := newRig(t)
	r.collect(t)
	r.namespace(t, "leases")
	for _, name := range []string{"a", "b"} {
		node, err := r.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		must(t, err)
		_, err = r.CoordinationV1().Leases("leases").Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Name: name, OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: name, UID: node.UID}},
		}}, metav1.CreateOptions{})
		must(t, err)
	}
	must(t, r.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}))
	eventually(t, "the lease is gone", func() bool {
		_, err := r.CoordinationV1().Leases("leases").Get(t.Context(), "a", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if _, err := r.CoordinationV1().Leases("leases").Get(t.Context(), "b", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}
