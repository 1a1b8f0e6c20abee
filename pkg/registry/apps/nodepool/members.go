// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/metadata"

	"github.com/steppe-io/steppe/apis/apps"
)

// Members finds the nodes of a pool.
type Members interface {
	// SomeOf returns the names of up to limit nodes of a pool, and whether
	// there are more.
	SomeOf(ctx context.Context, pool string, limit int) (names []string, more bool, err error)
}

// LabelledNodes finds the nodes of a pool by their label, each time anew: what
// depends on it, the deletion of a pool, is rare and must not act on old news.
type LabelledNodes struct {
	Client metadata.Interface
}

// SomeOf asks the kube-apiserver.
func (n LabelledNodes) SomeOf(ctx context.Context, pool string, limit int) ([]string, bool, error) {
	nodes, err := n.Client.Resource(corev1.SchemeGroupVersion.WithResource("nodes")).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{apps.LabelNodePool: pool}.String(),
		Limit:         int64(limit),
	})
	if err != nil {
		return nil, false, err
	}
	names := make([]string, 0, len(nodes.Items))
	for _, node := range nodes.Items {
		names = append(names, node.Name)
	}
	return names, nodes.Continue != "", nil
}
