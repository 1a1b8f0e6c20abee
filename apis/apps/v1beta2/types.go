// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta2

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

// LeaderElectionStrategy says how the leaders of a pool are chosen.
// +enum
type LeaderElectionStrategy string

const (
	// ElectionStrategyMark takes leaders from the nodes that the pool's
	// leaderNodeLabelSelector marks.
	ElectionStrategyMark LeaderElectionStrategy = "mark"
	// ElectionStrategyRandom takes leaders from all ready nodes of the pool.
	ElectionStrategyRandom LeaderElectionStrategy = "random"
)

// NodePoolConditionType names a condition of a NodePool.
type NodePoolConditionType string

// LeaderReady says whether the pool has the leaders it asks for.
const LeaderReady NodePoolConditionType = "LeaderReady"

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

	// hostNetwork says that pods of this pool use the network of their node,
	// because the pool has no pod network. It cannot be changed later, and
	// is not possible for a pool of type "Cloud".
	// +optional
	HostNetwork bool `json:"hostNetwork,omitempty"`

	// interConnectivity says that all nodes of the pool reach each other
	// directly. It cannot be changed later.
	// +optional
	InterConnectivity bool `json:"interConnectivity,omitempty"`

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

	// leaderElectionStrategy says how the leaders of the pool are chosen:
	// "mark" takes them from the nodes that leaderNodeLabelSelector selects,
	// "random" from all ready nodes. Defaults to "random".
	// +optional
	LeaderElectionStrategy LeaderElectionStrategy `json:"leaderElectionStrategy,omitempty"`

	// leaderNodeLabelSelector selects the nodes that may lead the pool, by
	// labels that they must all have. It is used with the strategy "mark".
	// +optional
	LeaderNodeLabelSelector map[string]string `json:"leaderNodeLabelSelector,omitempty"`

	// leaderReplicas is how many leaders the pool has. Defaults to 1, which
	// also replaces 0 and negative numbers.
	// +optional
	LeaderReplicas int32 `json:"leaderReplicas,omitempty"`

	// enableLeaderElection turns on the election of leaders in the pool.
	// +optional
	EnableLeaderElection bool `json:"enableLeaderElection,omitempty"`

	// poolScopeMetadata are the resources that the pool's nodes share through
	// their leaders instead of each reading them from the cloud. Services and
	// EndpointSlices are always among them, and added where they are missing.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=version
	// +listMapKey=resource
	PoolScopeMetadata []metav1.GroupVersionResource `json:"poolScopeMetadata,omitempty"`
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

	// leaderEndpoints are the leaders of the pool and where they listen.
	// +optional
	// +listType=map
	// +listMapKey=nodeName
	LeaderEndpoints []Leader `json:"leaderEndpoints,omitempty"`

	// leaderNum is how many leaders the pool has.
	// +optional
	LeaderNum int32 `json:"leaderNum,omitempty"`

	// leaderLastElectedTime is when the leaders last changed.
	// +optional
	LeaderLastElectedTime metav1.Time `json:"leaderLastElectedTime,omitempty,omitzero"`

	// conditions are the latest observations about the pool.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []NodePoolCondition `json:"conditions,omitempty"`
}

// Leader is a node that leads its pool.
type Leader struct {
	// nodeName is the name of the node.
	NodeName string `json:"nodeName"`

	// address is the IP address at which the other nodes of the pool reach it.
	Address string `json:"address"`
}

// NodePoolCondition is one observation about a NodePool.
type NodePoolCondition struct {
	// type is what is observed.
	Type NodePoolConditionType `json:"type"`

	// status is "True", "False" or "Unknown".
	Status corev1.ConditionStatus `json:"status"`

	// lastTransitionTime is when status last changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`

	// reason is why status last changed, as one CamelCase word.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message is for a person to read.
	// +optional
	Message string `json:"message,omitempty"`
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
