// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package watchcache says what yurt-manager's controllers keep in memory of the
// objects that they watch. All of them share one cache, so what is dropped here
// is dropped for all: a controller that needs more adds it here.
package watchcache

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// FieldManagerPrefix begins the name of every field manager of yurt-manager's
// controllers. What they own by server-side apply stays visible in the cache.
const FieldManagerPrefix = "yurt-manager-"

// Options returns the options of the manager's cache.
//
// NodePools are handed out of the cache without a copy, since one carries the
// names of all its nodes and is read once per node: treat them as read-only.
func Options() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}: {Transform: trimNode},
			&appsv1beta2.NodePool{}: {
				Transform:             cache.TransformStripManagedFields(),
				UnsafeDisableDeepCopy: ptr.To(true),
			},
		},
	}
}

// trimNode drops what is big and what no controller reads. With the list of
// images alone, a Node is several times the size.
func trimNode(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	node.ManagedFields = ownApplied(node.ManagedFields)
	node.Status.Images = nil
	node.Status.VolumesInUse = nil
	node.Status.VolumesAttached = nil
	node.Status.Config = nil
	node.Status.RuntimeHandlers = nil
	node.Status.Features = nil
	return node, nil
}

func ownApplied(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if entry.Operation == metav1.ManagedFieldsOperationApply && strings.HasPrefix(entry.Manager, FieldManagerPrefix) {
			kept = append(kept, entry)
		}
	}
	return kept
}
