// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package poolattributes says which labels, annotations and taints a NodePool
// may not give to its nodes, whatever its spec asks for.
//
// A pool acts with yurt-manager's rights, and a kubelet may choose the pool of
// its node when it joins. So a pool must neither give nor take what the
// kube-apiserver does not let kubelets change (its NodeRestriction admission),
// and must not argue with the controllers that keep a key themselves.
//
// The controller of nodes refuses by these lists, and the server of NodePools
// can warn the writer by the same ones. Like all under pkg/, this may change
// without notice.
package poolattributes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/apis/apps"
)

const (
	// LabelHostNetwork marks the nodes of pools that have no pod network. It
	// follows from spec.hostNetwork.
	LabelHostNetwork = "nodepool.openyurt.io/hostnetwork"

	// labelDesiredPool is how OpenYurt's first versions asked for membership.
	labelDesiredPool = "apps.openyurt.io/desired-nodepool"
	// roleNamespace is that of the labels and taints of node roles.
	roleNamespace = "node-role.kubernetes.io"
)

// Why something is refused; each continues "is not given to nodes: ".
const (
	membership = "it says which pool a node is in"
	field      = "it follows from spec.hostNetwork"
	machine    = "it says what machine a node is"
	restricted = "kubelets may not choose it, and may choose their pool"
	role       = "it says which role a node has in the cluster"
	condition  = "a controller keeps it as the node's condition changes"
	kept       = "a controller keeps it on every node"
)

var (
	labels = map[string]string{
		apps.LabelNodePool:      membership,
		labelDesiredPool:        membership,
		LabelHostNetwork:        field,
		corev1.LabelHostname:    machine,
		corev1.LabelOSStable:    machine,
		"beta.kubernetes.io/os": machine,
		corev1.LabelArchStable:  machine,

		"beta.kubernetes.io/arch": machine,
	}
	labelNamespaces = map[string]string{
		corev1.LabelNamespaceNodeRestriction: restricted,
		roleNamespace:                        role,
	}

	annotations = map[string]string{
		apps.AnnotationPreviousAttributes: "it is the record of what the pool has given",
		"node.alpha.kubernetes.io/ttl":    kept,
		"csi.volume.kubernetes.io/nodeid": kept,

		"volumes.kubernetes.io/controller-managed-attach-detach": kept,
	}

	taints = map[string]string{
		"node.openyurt.io/unschedulable":          condition,
		"ToBeDeletedByClusterAutoscaler":          condition,
		"DeletionCandidateOfClusterAutoscaler":    condition,
		"node.cluster.x-k8s.io/uninitialized":     condition,
		"node.cluster.x-k8s.io/outdated-revision": condition,
	}
	taintNamespaces = map[string]string{
		corev1.LabelNamespaceNodeRestriction: restricted,
		corev1.LabelNamespaceSuffixNode:      condition, // node.kubernetes.io/not-ready and the like
		"node.cloudprovider.kubernetes.io":   condition,
		roleNamespace:                        role,
	}
)

// LabelRefused says whether no pool may give a label with that key, and why.
func LabelRefused(key string) (reason string, refused bool) {
	return find(key, labels, labelNamespaces)
}

// AnnotationRefused says whether no pool may give an annotation with that key,
// and why.
func AnnotationRefused(key string) (reason string, refused bool) {
	return find(key, annotations, nil)
}

// TaintRefused says whether no pool may give a taint with that key, and why.
func TaintRefused(key string) (reason string, refused bool) {
	return find(key, taints, taintNamespaces)
}

// find looks for a key, then for what is before its slash. As for the
// kube-apiserver, team-a.node-restriction.kubernetes.io is restricted, too.
func find(key string, keys, namespaces map[string]string) (reason string, refused bool) {
	if reason, refused = keys[key]; refused {
		return reason, true
	}
	namespace, _, qualified := strings.Cut(key, "/")
	if !qualified || namespaces == nil {
		return "", false
	}
	if strings.HasSuffix(namespace, "."+corev1.LabelNamespaceNodeRestriction) {
		namespace = corev1.LabelNamespaceNodeRestriction
	}
	reason, refused = namespaces[namespace]
	return reason, refused
}
