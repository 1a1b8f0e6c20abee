// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NodePoolType says where the nodes of a pool stand.
// +enum
type NodePoolType string

const (
	// Edge pools hold nodes behind links that may go away.
	Edge NodePoolType = "Edge"
	// Cloud pools hold nodes beside the control plane.
	Cloud NodePoolType = "Cloud"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// NodePool is a group of nodes at one site: they share a network, a link to the
// cloud, and labels, annotations and taints that the pool gives them. A node
// joins by its label `apps.openyurt.io/nodepool`, whose value is the name of
// the pool.
type NodePool struct {
	metav1.TypeMeta `json:",inline"`
	// Standard object metadata. The name may be up to 63 characters long, as
	// it becomes the value of a label of the pool's nodes.
	// More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the pool.
	// +optional
	Spec NodePoolSpec `json:"spec,omitempty"`

	// status is the observed state of the pool. It is written by yurt-manager
	// and may lag behind the nodes.
	// +optional
	Status NodePoolStatus `json:"status,omitempty"`
}

// NodePoolSpec is the desired state of a NodePool.
type NodePoolSpec struct {
	// type says where the nodes of the pool stand: "Edge" behind a link that
	// may go away, or "Cloud" beside the control plane. It cannot be changed
	// later. Defaults to "Edge".
	// +optional
	Type NodePoolType `json:"type,omitempty"`

	// selector is kept for old manifests and has no effect: nodes join a pool
	// by their label `apps.openyurt.io/nodepool`.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// labels are put on every node of the pool and kept there. A label that a
	// node has from elsewhere with another value is left alone.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are put on every node of the pool and kept there. An
	// annotation that a node has from elsewhere with another value is left
	// alone.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// taints are put on every node of the pool and kept there. A taint that a
	// node has from elsewhere with the same key and effect is left alone.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// NodePoolStatus is the observed state of a NodePool.
type NodePoolStatus struct {
	// readyNodeNum is how many nodes of the pool are ready.
	// +optional
	ReadyNodeNum int32 `json:"readyNodeNum"`

	// unreadyNodeNum is how many nodes of the pool are not ready, or have not
	// been heard of.
	// +optional
	UnreadyNodeNum int32 `json:"unreadyNodeNum"`

	// nodes are the names of the pool's nodes, sorted.
	// +optional
	// +listType=atomic
	Nodes []string `json:"nodes,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// NodePoolList is a list of NodePools.
type NodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	// Standard list metadata.
	// More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the node pools of the list.
	Items []NodePool `json:"items"`
}
