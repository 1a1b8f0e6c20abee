// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apps

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Well-known names of node pools. They are OpenYurt's, so that its manifests,
// scripts and dashboards keep working.
const (
	// LabelNodePool on a Node names the pool the node belongs to.
	LabelNodePool = "apps.openyurt.io/nodepool"
	// LabelNodePoolType on a NodePool is the pool's type in lower case.
	LabelNodePoolType = "nodepool.openyurt.io/type"
	// AnnotationHostNetwork says "true" where a version has no field for
	// host networking (v1alpha1, and v1beta1 manifests of OpenYurt).
	AnnotationHostNetwork = "nodepool.openyurt.io/hostnetwork"
	// AnnotationPreviousAttributes on a Node records, as JSON, which labels,
	// annotations and taints its pool has put there.
	AnnotationPreviousAttributes = "nodepool.openyurt.io/previous-attributes"
	// AnnotationConversionData carries, as JSON, what the version of an object
	// cannot say about it in fields. Servers write and consume it; it exists
	// only in the versions that need it.
	AnnotationConversionData = "apps.openyurt.io/conversion-data"
)

// NodePoolType says where the nodes of a pool stand.
type NodePoolType string

const (
	// Edge pools hold nodes behind links that may go away.
	Edge NodePoolType = "Edge"
	// Cloud pools hold nodes beside the control plane.
	Cloud NodePoolType = "Cloud"
)

// LeaderElectionStrategy says how the leaders of a pool are chosen.
type LeaderElectionStrategy string

const (
	// ElectionStrategyMark takes leaders from the nodes that the pool's
	// leaderNodeLabelSelector marks.
	ElectionStrategyMark LeaderElectionStrategy = "mark"
	// ElectionStrategyRandom takes leaders from all ready nodes of the pool.
	ElectionStrategyRandom LeaderElectionStrategy = "random"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// NodePool is a group of nodes at one site.
type NodePool struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   NodePoolSpec
	Status NodePoolStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// NodePoolList is a list of NodePools.
type NodePoolList struct {
	metav1.TypeMeta
	metav1.ListMeta

	Items []NodePool
}

// NodePoolSpec is the desired state of a NodePool. The versioned types document
// the fields.
type NodePoolSpec struct {
	Type                    NodePoolType
	HostNetwork             bool
	InterConnectivity       bool
	Labels                  map[string]string
	Annotations             map[string]string
	Taints                  []corev1.Taint
	LeaderElectionStrategy  LeaderElectionStrategy
	LeaderNodeLabelSelector map[string]string
	LeaderReplicas          int32
	EnableLeaderElection    bool
	PoolScopeMetadata       []metav1.GroupVersionResource

	// Selector exists in v1alpha1 only. Nothing acts on it.
	Selector *metav1.LabelSelector
}

// NodePoolStatus is the observed state of a NodePool. The versioned types
// document the fields.
type NodePoolStatus struct {
	ReadyNodeNum          int32
	UnreadyNodeNum        int32
	Nodes                 []string
	LeaderEndpoints       []Leader
	LeaderNum             int32
	LeaderLastElectedTime metav1.Time
	Conditions            []NodePoolCondition
}

// Leader is a node that leads its pool.
type Leader struct {
	NodeName string
	Address  string
}

// NodePoolConditionType names a condition of a NodePool.
type NodePoolConditionType string

// LeaderReady says whether the pool has the leaders it asks for.
const LeaderReady NodePoolConditionType = "LeaderReady"

// NodePoolCondition is one observation about a NodePool.
type NodePoolCondition struct {
	Type               NodePoolConditionType
	Status             corev1.ConditionStatus
	LastTransitionTime metav1.Time
	Reason             string
	Message            string
}
