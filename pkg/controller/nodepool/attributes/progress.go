// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// progress remembers how far this controller has brought each node, until the
// cache has come as far. A decision on a copy from before our own last write
// would only run into a conflict; with two writes per node, every second node
// of a big pool did.
type progress struct {
	mu    sync.Mutex
	nodes map[string]writtenNode
}

type writtenNode struct {
	uid     types.UID
	version string
}

func newProgress() *progress { return &progress{nodes: map[string]writtenNode{}} }

// wrote takes in the server's answer to a write.
func (p *progress) wrote(node *corev1.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes[node.Name] = writtenNode{uid: node.UID, version: node.ResourceVersion}
}

// behind says whether a cached node is older than the last write to it.
func (p *progress) behind(cached *corev1.Node) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	written, found := p.nodes[cached.Name]
	if !found {
		return false
	}
	if written.uid == cached.UID {
		if order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, written.version); err == nil && order < 0 {
			return true
		}
	}
	delete(p.nodes, cached.Name)
	return false
}

func (p *progress) forget(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.nodes, node)
}
