// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

const (
	// labelHostNetwork marks the nodes of pools that have no pod network.
	// Nothing but a pool ever sets it, so a pool need not ask whose it is.
	labelHostNetwork = "nodepool.openyurt.io/hostnetwork"
	// labelDesiredPool is how OpenYurt's first versions asked for membership.
	labelDesiredPool = "apps.openyurt.io/desired-nodepool"
)

// A pool may not give its nodes these labels: they say what pool or machine a
// node is, and the kubelet or we ourselves act on them.
var refusedLabels = []string{
	apps.LabelNodePool,
	labelDesiredPool,
	labelHostNetwork, // comes from spec.hostNetwork
	corev1.LabelHostname,
	corev1.LabelOSStable, "beta.kubernetes.io/os",
	corev1.LabelArchStable, "beta.kubernetes.io/arch",
}

// Nor these annotations: a controller writes each of them on every node and
// would write it again for ever.
var refusedAnnotations = []string{
	apps.AnnotationPreviousAttributes,
	"node.alpha.kubernetes.io/ttl",
	"volumes.kubernetes.io/controller-managed-attach-detach",
	"csi.volume.kubernetes.io/nodeid",
}

// Nor these taints: they say what condition a node is in, and their
// controllers add and remove them as it changes.
var (
	refusedTaints        = []string{"node.openyurt.io/unschedulable"}
	refusedTaintPrefixes = []string{"node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"}
)

// desired returns what a pool gives to its nodes, and a description of
// everything in its spec that cannot be given.
func desired(pool *appsv1beta2.NodePool) (want Set, refused []string) {
	want = Set{Labels: map[string]string{}, Annotations: map[string]string{}}
	for key, value := range pool.Spec.Labels {
		if slices.Contains(refusedLabels, key) || invalidLabel(key, value) {
			refused = append(refused, "label "+key)
			continue
		}
		want.Labels[key] = value
	}
	if pool.Spec.HostNetwork {
		want.Labels[labelHostNetwork] = "true"
	}
	for key, value := range pool.Spec.Annotations {
		if slices.Contains(refusedAnnotations, key) || len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
			refused = append(refused, "annotation "+key)
			continue
		}
		want.Annotations[key] = value
	}
	for i := range pool.Spec.Taints {
		taint := corev1.Taint{Key: pool.Spec.Taints[i].Key, Value: pool.Spec.Taints[i].Value, Effect: pool.Spec.Taints[i].Effect}
		if refusedTaint(&taint) || hasSlot(want.Taints, &taint) {
			refused = append(refused, "taint "+taintString(&taint))
			continue
		}
		want.Taints = append(want.Taints, taint)
	}
	slices.Sort(refused)
	return want, refused
}

// invalidLabel guards against pools of a server that does not validate them:
// one wrong label would make every write to every node of the pool fail.
func invalidLabel(key, value string) bool {
	return len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0
}

func refusedTaint(t *corev1.Taint) bool {
	if slices.Contains(refusedTaints, t.Key) || invalidLabel(t.Key, t.Value) {
		return true
	}
	for _, prefix := range refusedTaintPrefixes {
		if strings.HasPrefix(t.Key, prefix) {
			return true
		}
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		return false
	}
	return true
}
