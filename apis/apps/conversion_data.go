// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NodePoolConversionData is what a version of NodePool has no fields for. It
// travels in AnnotationConversionData, so that reading an object in one version
// and writing it in another loses nothing. A version reads from it only what it
// cannot say itself: an annotation copied from another version can never
// override a field.
type NodePoolConversionData struct {
	// Selector is missing from v1beta1 and v1beta2.
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// The fields below are missing from v1alpha1 and v1beta1. Absent means
	// false, "random", 1 and empty.
	InterConnectivity       bool                          `json:"interConnectivity,omitempty"`
	LeaderElectionStrategy  LeaderElectionStrategy        `json:"leaderElectionStrategy,omitempty"`
	LeaderNodeLabelSelector map[string]string             `json:"leaderNodeLabelSelector,omitempty"`
	LeaderReplicas          int32                         `json:"leaderReplicas,omitempty"`
	EnableLeaderElection    bool                          `json:"enableLeaderElection,omitempty"`
	PoolScopeMetadata       []metav1.GroupVersionResource `json:"poolScopeMetadata,omitempty"`
	LeaderEndpoints         []LeaderConversionData        `json:"leaderEndpoints,omitempty"`
	LeaderNum               int32                         `json:"leaderNum,omitempty"`
	LeaderLastElectedTime   *metav1.Time                  `json:"leaderLastElectedTime,omitempty"`
	Conditions              []ConditionConversionData     `json:"conditions,omitempty"`

	// HostNetworkAnnotation is there when the hub object has the annotation
	// AnnotationHostNetwork beside the field, and a version could not tell the
	// two apart: v1alpha1 has no field, v1beta1 also reads the annotation.
	HostNetworkAnnotation *HostNetworkConversionData `json:"hostNetworkAnnotation,omitempty"`
}

// LeaderConversionData is the JSON form of a Leader.
type LeaderConversionData struct {
	NodeName string `json:"nodeName"`
	Address  string `json:"address"`
}

// ConditionConversionData is the JSON form of a NodePoolCondition.
type ConditionConversionData struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`
	Reason             string      `json:"reason,omitempty"`
	Message            string      `json:"message,omitempty"`
}

// HostNetworkConversionData keeps the field and the annotation apart.
type HostNetworkConversionData struct {
	Field      bool   `json:"field"`
	Annotation string `json:"annotation"`
}

// SplitConversionData takes the conversion data out of annotations. What it
// returns shares no map with its argument unless there was nothing to take. The
// data is empty where the annotation is missing. An annotation that is not what
// JoinConversionData writes stays where it is, for validation to refuse.
func SplitConversionData(annotations map[string]string) (map[string]string, NodePoolConversionData) {
	text, ok := annotations[AnnotationConversionData]
	if !ok {
		return annotations, NodePoolConversionData{}
	}
	var data NodePoolConversionData
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return annotations, NodePoolConversionData{}
	}
	return without(annotations, AnnotationConversionData), data
}

// JoinConversionData adds data to annotations without changing the map that it
// is given. Empty data adds nothing.
func JoinConversionData(annotations map[string]string, data NodePoolConversionData) (map[string]string, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encoding annotation %s: %w", AnnotationConversionData, err)
	}
	if string(text) == "{}" {
		return annotations, nil
	}
	return with(annotations, AnnotationConversionData, string(text)), nil
}

// KeepV1beta2 records the fields that only v1beta2 and the hub have.
func (d *NodePoolConversionData) KeepV1beta2(spec *NodePoolSpec, status *NodePoolStatus) {
	d.InterConnectivity = spec.InterConnectivity
	if spec.LeaderElectionStrategy != ElectionStrategyRandom {
		d.LeaderElectionStrategy = spec.LeaderElectionStrategy
	}
	d.LeaderNodeLabelSelector = spec.LeaderNodeLabelSelector
	if spec.LeaderReplicas != 1 {
		d.LeaderReplicas = spec.LeaderReplicas
	}
	d.EnableLeaderElection = spec.EnableLeaderElection
	d.PoolScopeMetadata = spec.PoolScopeMetadata

	for _, leader := range status.LeaderEndpoints {
		d.LeaderEndpoints = append(d.LeaderEndpoints, LeaderConversionData(leader))
	}
	d.LeaderNum = status.LeaderNum
	if !status.LeaderLastElectedTime.IsZero() {
		d.LeaderLastElectedTime = status.LeaderLastElectedTime.DeepCopy()
	}
	for _, c := range status.Conditions {
		d.Conditions = append(d.Conditions, ConditionConversionData{
			Type:               string(c.Type),
			Status:             string(c.Status),
			LastTransitionTime: c.LastTransitionTime,
			Reason:             c.Reason,
			Message:            c.Message,
		})
	}
}

// RestoreV1beta2 is the reverse of KeepV1beta2.
func (d *NodePoolConversionData) RestoreV1beta2(spec *NodePoolSpec, status *NodePoolStatus) {
	spec.InterConnectivity = d.InterConnectivity
	spec.LeaderElectionStrategy = d.LeaderElectionStrategy
	if spec.LeaderElectionStrategy == "" {
		spec.LeaderElectionStrategy = ElectionStrategyRandom
	}
	spec.LeaderNodeLabelSelector = d.LeaderNodeLabelSelector
	spec.LeaderReplicas = d.LeaderReplicas
	if spec.LeaderReplicas <= 0 {
		spec.LeaderReplicas = 1
	}
	spec.EnableLeaderElection = d.EnableLeaderElection
	spec.PoolScopeMetadata = d.PoolScopeMetadata

	for _, leader := range d.LeaderEndpoints {
		status.LeaderEndpoints = append(status.LeaderEndpoints, Leader(leader))
	}
	status.LeaderNum = d.LeaderNum
	if d.LeaderLastElectedTime != nil {
		status.LeaderLastElectedTime = *d.LeaderLastElectedTime
	}
	for _, c := range d.Conditions {
		status.Conditions = append(status.Conditions, NodePoolCondition{
			Type:               NodePoolConditionType(c.Type),
			Status:             corev1.ConditionStatus(c.Status),
			LastTransitionTime: c.LastTransitionTime,
			Reason:             c.Reason,
			Message:            c.Message,
		})
	}
}

// KeepHostNetwork returns the annotations that say host networking the v1alpha1
// way, and records what that way cannot tell.
func (d *NodePoolConversionData) KeepHostNetwork(hostNetwork bool, annotations map[string]string) map[string]string {
	value, has := annotations[AnnotationHostNetwork]
	if has && (hostNetwork || value == "true") {
		d.HostNetworkAnnotation = &HostNetworkConversionData{Field: hostNetwork, Annotation: value}
	}
	if !hostNetwork {
		return annotations
	}
	return with(annotations, AnnotationHostNetwork, "true")
}

// RestoreHostNetwork is the reverse of KeepHostNetwork: the annotation turns
// into the field and is gone, unless the hub object had one of its own.
func (d *NodePoolConversionData) RestoreHostNetwork(annotations map[string]string) (map[string]string, bool) {
	value, has := annotations[AnnotationHostNetwork]
	switch kept := d.HostNetworkAnnotation; {
	case has && kept != nil && (value == "true") == (kept.Field || kept.Annotation == "true"):
		return with(annotations, AnnotationHostNetwork, kept.Annotation), kept.Field
	case value == "true":
		return without(annotations, AnnotationHostNetwork), true
	default:
		return annotations, false
	}
}

func with(m map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(m)+1)
	maps.Copy(out, m)
	out[key] = value
	return out
}

// without returns nil rather than an empty map: the wire cannot tell them apart.
func without(m map[string]string, key string) map[string]string {
	if len(m) <= 1 {
		return nil
	}
	out := maps.Clone(m)
	delete(out, key)
	return out
}
