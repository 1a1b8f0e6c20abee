// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/tools/cache"
)

// Graph knows which objects the kubelet of a node needs: its pods, what these
// mention, the volumes bound to their claims and the secrets of those, and the
// attachments and slices of the node. It holds names only, of objects that exist
// or that existing objects mention. It is safe for concurrent use.
type Graph struct {
	synced []cache.InformerSynced

	mu   sync.RWMutex // guards all below
	pods map[podKey]podEntry
	// mentions counts, per object and node, the node's pods that mention it.
	mentions map[object]map[string]int
	volumes  map[string]volumeEntry
	// volumesOf has, per secret, the names of the volumes that need it.
	volumesOf map[object]map[string]struct{}
	// attachments and slices have the nodes of VolumeAttachments and
	// ResourceSlices. Slices that are of no single node are missing.
	attachments, slices map[string]string
}

type podKey struct{ namespace, name string }

type podEntry struct {
	node       string
	references []object // sorted
}

type volumeEntry struct {
	claim   object
	secrets []object // sorted
}

func newGraph() *Graph {
	return &Graph{
		pods:        map[podKey]podEntry{},
		mentions:    map[object]map[string]int{},
		volumes:     map[string]volumeEntry{},
		volumesOf:   map[object]map[string]struct{}{},
		attachments: map[string]string{},
		slices:      map[string]string{},
	}
}

// HasSynced tells whether the graph has taken in all that existed when its
// informers started.
func (g *Graph) HasSynced() bool {
	for _, synced := range g.synced {
		if !synced() {
			return false
		}
	}
	return true
}

// hasPod tells whether a pod is bound to a node.
func (g *Graph) hasPod(node, namespace, name string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	pod, ok := g.pods[podKey{namespace, name}]
	return ok && pod.node == node
}

// needs tells whether a pod of the node mentions an object, or a volume that is
// bound to a claim of such a pod needs the secret.
func (g *Graph) needs(node string, o object) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.mentions[o][node] > 0 {
		return true
	}
	for volume := range g.volumesOf[o] {
		if g.mentions[g.volumes[volume].claim][node] > 0 {
			return true
		}
	}
	return false
}

// needsVolume tells whether a persistent volume is bound to a claim that a pod of
// the node mentions.
func (g *Graph) needsVolume(node, name string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	volume, ok := g.volumes[name]
	return ok && g.mentions[volume.claim][node] > 0
}

// hasAttachment tells whether a VolumeAttachment is to a node.
func (g *Graph) hasAttachment(node, name string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	of, ok := g.attachments[name]
	return ok && of == node
}

// hasSlice tells whether a ResourceSlice is of a node.
func (g *Graph) hasSlice(node, name string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	of, ok := g.slices[name]
	return ok && of == node
}

// setPod takes in a new or changed pod. Most changes are of the status only, and
// change nothing here.
func (g *Graph) setPod(pod *corev1.Pod) {
	key := podKey{pod.Namespace, pod.Name}
	if pod.Spec.NodeName == "" {
		g.deletePod(key)
		return
	}
	entry := podEntry{node: pod.Spec.NodeName, references: referencesOf(pod)}
	g.mu.Lock()
	defer g.mu.Unlock()
	old, ok := g.pods[key]
	if ok && old.node == entry.node && slices.Equal(old.references, entry.references) {
		return
	}
	g.forgetPod(key)
	g.pods[key] = entry
	for _, o := range entry.references {
		if g.mentions[o] == nil {
			g.mentions[o] = map[string]int{}
		}
		g.mentions[o][entry.node]++
	}
}

func (g *Graph) deletePod(key podKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetPod(key)
}

// forgetPod wants mu locked.
func (g *Graph) forgetPod(key podKey) {
	old, ok := g.pods[key]
	if !ok {
		return
	}
	delete(g.pods, key)
	for _, o := range old.references {
		nodes := g.mentions[o]
		if nodes[old.node]--; nodes[old.node] == 0 {
			delete(nodes, old.node)
		}
		if len(nodes) == 0 {
			delete(g.mentions, o)
		}
	}
}

// setVolume takes in a new or changed persistent volume. One that is bound to no
// claim is of no use to a node.
func (g *Graph) setVolume(volume *corev1.PersistentVolume) {
	claim := volume.Spec.ClaimRef
	if claim == nil {
		g.deleteVolume(volume.Name)
		return
	}
	entry := volumeEntry{claim: object{volumeClaim, claim.Namespace, claim.Name}, secrets: volumeSecrets(volume)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetVolume(volume.Name)
	g.volumes[volume.Name] = entry
	for _, s := range entry.secrets {
		if g.volumesOf[s] == nil {
			g.volumesOf[s] = map[string]struct{}{}
		}
		g.volumesOf[s][volume.Name] = struct{}{}
	}
}

func (g *Graph) deleteVolume(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetVolume(name)
}

// forgetVolume wants mu locked.
func (g *Graph) forgetVolume(name string) {
	for _, s := range g.volumes[name].secrets {
		delete(g.volumesOf[s], name)
		if len(g.volumesOf[s]) == 0 {
			delete(g.volumesOf, s)
		}
	}
	delete(g.volumes, name)
}

func (g *Graph) setAttachment(attachment *storagev1.VolumeAttachment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attachments[attachment.Name] = attachment.Spec.NodeName
}

func (g *Graph) deleteAttachment(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.attachments, name)
}

func (g *Graph) setSlice(slice *resourcev1.ResourceSlice) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slice.Spec.NodeName == nil || *slice.Spec.NodeName == "" {
		delete(g.slices, slice.Name)
		return
	}
	g.slices[slice.Name] = *slice.Spec.NodeName
}

func (g *Graph) deleteSlice(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.slices, name)
}
