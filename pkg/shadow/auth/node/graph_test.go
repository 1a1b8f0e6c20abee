// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// podWith returns a pod on a node, or on none, that mentions secrets and claims of
// these names.
func podWith(namespace, name, node string, secretNames, claims []string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	for _, s := range secretNames {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	for _, c := range claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: c, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c},
		}})
	}
	return pod
}

// volumeFor returns a persistent volume that is bound to a claim, or to none, and
// needs secrets of these names in the claim's namespace.
func volumeFor(name, namespace, claim string, secretNames ...string) *corev1.PersistentVolume {
	csi := &corev1.CSIPersistentVolumeSource{Driver: "d"}
	refs := []**corev1.SecretReference{&csi.NodePublishSecretRef, &csi.NodeStageSecretRef, &csi.NodeExpandSecretRef}
	for i, s := range secretNames {
		*refs[i] = &corev1.SecretReference{Namespace: namespace, Name: s}
	}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: csi},
	}}
	if claim != "" {
		volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: claim}
	}
	return volume
}

func TestGraphFollowsPods(t *testing.T) {
	s := object{secret, "blue", "s"}
	g := newGraph()
	for _, step := range []struct {
		name string
		do   func()
		want []string // the nodes that need s
	}{
		{"an unbound pod", func() { g.setPod(podWith("blue", "p", "", []string{"s"}, nil)) }, nil},
		{"bound", func() { g.setPod(podWith("blue", "p", "a", []string{"s"}, nil)) }, []string{"a"}},
		{"synced again", func() { g.setPod(podWith("blue", "p", "a", []string{"s"}, nil)) }, []string{"a"}},
		{"another on the node", func() { g.setPod(podWith("blue", "q", "a", []string{"s", "s"}, nil)) }, []string{"a"}},
		{"another namespace", func() { g.setPod(podWith("red", "p", "b", []string{"s"}, nil)) }, []string{"a"}},
		{"another node", func() { g.setPod(podWith("blue", "r", "b", []string{"s"}, nil)) }, []string{"a", "b"}},
		{"replaced by a pod of the same name elsewhere", func() { g.setPod(podWith("blue", "p", "c", []string{"s"}, nil)) }, []string{"a", "b", "c"}},
		{"replaced by an unbound pod of the same name", func() { g.setPod(podWith("blue", "p", "", []string{"s"}, nil)) }, []string{"a", "b"}},
		{"replaced by a pod without the secret", func() { g.setPod(podWith("blue", "q", "a", nil, nil)) }, []string{"b"}},
		{"deleted", func() { g.deletePod(podKey{"blue", "r"}) }, nil},
		{"deleted again", func() { g.deletePod(podKey{"blue", "r"}) }, nil},
	} {
		step.do()
		var got []string
		for _, node := range []string{"a", "b", "c", ""} {
			if g.needs(node, s) {
				got = append(got, node)
			}
		}
		if !slices.Equal(got, step.want) {
			t.Fatalf("After %s: got %q, want %q", step.name, got, step.want)
		}
	}
}

func TestGraphFollowsVolumes(t *testing.T) {
	s := object{secret, "blue", "s"}
	g := newGraph()
	g.setPod(podWith("blue", "p", "a", nil, []string{"c"}))
	for _, step := range []struct {
		name                string
		do                  func()
		wantVolume, wantSec bool
	}{
		{"an unbound volume", func() { g.setVolume(volumeFor("v", "blue", "", "s")) }, false, false},
		{"bound", func() { g.setVolume(volumeFor("v", "blue", "c", "s")) }, true, true},
		{"another with the secret", func() { g.setVolume(volumeFor("w", "blue", "other", "s")) }, true, true},
		{"without the secret", func() { g.setVolume(volumeFor("v", "blue", "c")) }, true, false},
		{"bound to a claim of another namespace", func() { g.setVolume(volumeFor("v", "red", "c", "s")) }, false, false},
		{"bound again", func() { g.setVolume(volumeFor("v", "blue", "c", "s")) }, true, true},
		{"the pod gone", func() { g.deletePod(podKey{"blue", "p"}) }, false, false},
		{"the pod back", func() { g.setPod(podWith("blue", "p", "a", nil, []string{"c"})) }, true, true},
		{"the volume released", func() { g.setVolume(volumeFor("v", "blue", "", "s")) }, false, false},
		{"bound once more", func() { g.setVolume(volumeFor("v", "blue", "c", "s")) }, true, true},
		{"deleted", func() { g.deleteVolume("v") }, false, false},
	} {
		step.do()
		if v, s := g.needsVolume("a", "v"), g.needs("a", s); v != step.wantVolume || s != step.wantSec {
			t.Fatalf("After %s: needs volume %t and secret %t, want %t and %t", step.name, v, s, step.wantVolume, step.wantSec)
		}
		if g.needsVolume("b", "v") || g.needs("b", s) {
			t.Fatalf("After %s: another node needs them too", step.name)
		}
	}
}

// Random changes; after each the graph has to say what the objects that exist say,
// and when all are deleted it has to be empty.
func TestGraphAgreesWithTheObjects(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("The seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(kind string) string { return fmt.Sprint(kind, random.IntN(4)) }
	some := func(kind string) []string {
		var names []string
		for range random.IntN(3) {
			names = append(names, pick(kind))
		}
		return names
	}
	g := newGraph()
	alive := map[string]*corev1.Pod{}
	bound := map[string]*corev1.PersistentVolume{}
	for range 5_000 {
		switch random.IntN(4) {
		case 0, 1:
			node := pick("node")
			if random.IntN(5) == 0 {
				node = ""
			}
			pod := podWith("blue", pick("pod"), node, some("secret"), some("claim"))
			alive[pod.Name] = pod
			g.setPod(pod)
		case 2:
			claim := pick("claim")
			if random.IntN(5) == 0 {
				claim = ""
			}
			volume := volumeFor(pick("volume"), "blue", claim, some("secret")...)
			bound[volume.Name] = volume
			g.setVolume(volume)
		case 3:
			pod, volume := pick("pod"), pick("volume")
			delete(alive, pod)
			delete(bound, volume)
			g.deletePod(podKey{"blue", pod})
			g.deleteVolume(volume)
		}
		node, name := pick("node"), pick("secret")
		if got, want := g.needs(node, object{secret, "blue", name}), expect(alive, bound, node, name); got != want {
			t.Fatalf("%s needs %s: got %t, want %t", node, name, got, want)
		}
	}
	for name := range alive {
		g.deletePod(podKey{"blue", name})
	}
	for name := range bound {
		g.deleteVolume(name)
	}
	if n := len(g.pods) + len(g.mentions) + len(g.volumes) + len(g.volumesOf); n != 0 {
		t.Errorf("%d entries stay after all objects are gone", n)
	}
}

func expect(pods map[string]*corev1.Pod, volumes map[string]*corev1.PersistentVolume, node, secretName string) bool {
	for pod := range maps.Values(pods) {
		if pod.Spec.NodeName != node {
			continue
		}
		for _, s := range pod.Spec.ImagePullSecrets {
			if s.Name == secretName {
				return true
			}
		}
		for _, v := range pod.Spec.Volumes {
			for volume := range maps.Values(volumes) {
				if ref := volume.Spec.ClaimRef; ref == nil || ref.Name != v.PersistentVolumeClaim.ClaimName {
					continue
				}
				csi := volume.Spec.CSI
				for _, ref := range []*corev1.SecretReference{csi.NodePublishSecretRef, csi.NodeStageSecretRef, csi.NodeExpandSecretRef} {
					if ref != nil && ref.Name == secretName {
						return true
					}
				}
			}
		}
	}
	return false
}

func TestGraphFollowsAttachmentsAndSlices(t *testing.T) {
	g := newGraph()
	attachment := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: storagev1.VolumeAttachmentSpec{NodeName: "a"}}
	g.setAttachment(attachment)
	slice := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: resourcev1.ResourceSliceSpec{NodeName: ptr.To("a")}}
	g.setSlice(slice)
	if !g.hasAttachment("a", "x") || !g.hasSlice("a", "x") {
		t.Error("The node does not have them")
	}
	if g.hasAttachment("b", "x") || g.hasSlice("b", "x") {
		t.Error("Another node has them")
	}
	slice.Spec.NodeName = nil
	g.setSlice(slice)
	g.deleteAttachment("x")
	if g.hasAttachment("a", "x") || g.hasSlice("a", "x") || g.hasAttachment("", "x") || g.hasSlice("", "x") {
		t.Error("They stay after they are gone")
	}
	if len(g.attachments)+len(g.slices) != 0 {
		t.Error("Entries stay after they are gone")
	}
}

// An informer that missed a deletion says so with a tombstone, which may hold any
// old state.
func TestGraphHandlesTombstones(t *testing.T) {
	g := newGraph()
	h := handler(g.setPod, func(namespace, name string) { g.deletePod(podKey{namespace, name}) })
	h.OnAdd(podWith("blue", "p", "a", []string{"s"}, nil), false)
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "blue/p"})
	if len(g.pods) != 0 {
		t.Error("The pod stays")
	}
	h.OnAdd(podWith("blue", "p", "a", []string{"s"}, nil), false)
	h.OnAdd(&corev1.Node{}, false) // and what does not belong is left out
	h.OnDelete("nonsense")
	if !g.hasPod("a", "blue", "p") || len(g.pods) != 1 {
		t.Error("The pod is gone")
	}
}

func TestNewGraphOfAStoppedInformer(t *testing.T) {
	informer := informers.NewSharedInformerFactory(fake.NewClientset(), 0).Core().V1().Pods().Informer()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	informer.RunWithContext(ctx)
	if _, err := NewGraph(Informers{Pods: informer}); err == nil {
		t.Error("got a graph that follows nothing")
	}
}

// Readers run beside informers that add, change and delete. The race detector
// judges the rest.
func TestGraphIsSafeForConcurrentUse(t *testing.T) {
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	g, err := NewGraph(Informers{Pods: factory.Core().V1().Pods().Informer(), PersistentVolumes: factory.Core().V1().PersistentVolumes().Informer()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				g.needs("a", object{secret, "blue", "s"})
				g.needsVolume("a", "v")
				g.hasPod("a", "blue", "p")
				g.HasSynced()
			}
		})
	}
	if !cache.WaitForCacheSync(ctx.Done(), g.HasSynced) {
		t.Fatal("The graph did not sync")
	}
	for range 20 {
		if _, err := client.CoreV1().Pods("blue").Create(ctx, podWith("blue", "p", "a", []string{"s"}, []string{"c"}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.CoreV1().PersistentVolumes().Create(ctx, volumeFor("v", "blue", "c", "s"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return g.needsVolume("a", "v") && g.needs("a", object{secret, "blue", "s"}) })
		if err := client.CoreV1().Pods("blue").Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := client.CoreV1().PersistentVolumes().Delete(ctx, "v", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return !g.needsVolume("a", "v") && !g.needs("a", object{secret, "blue", "s"}) })
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return holds(), nil }); err != nil {
		t.Fatal(err)
	}
}
