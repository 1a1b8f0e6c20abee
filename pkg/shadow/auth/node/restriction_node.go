// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
)

// kubeletLabels are the labels of Kubernetes that a kubelet may set on its node.
var kubeletLabels = []string{
	corev1.LabelHostname,
	corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
	corev1.LabelInstanceType, corev1.LabelInstanceTypeStable,
	corev1.LabelOSStable, corev1.LabelArchStable,
	"beta.kubernetes.io/os", "beta.kubernetes.io/arch",
}

// checkNode keeps a kubelet from changing other nodes, and from making its node one
// that attracts other pods than it should: taints and most of Kubernetes' labels
// are not its to change.
func checkNode(node string, a admission.Attributes) error {
	if a.GetName() != node {
		return fmt.Errorf("node %q may not write node %q", node, a.GetName())
	}
	switch a.GetOperation() {
	case admission.Create:
		created, ok := a.GetObject().(*corev1.Node)
		if !ok {
			return unexpectedType(a.GetObject())
		}
		if created.Spec.ConfigSource != nil { //nolint:staticcheck // deprecated, but it can still be sent
			return fmt.Errorf("node %q may not set spec.configSource", node)
		}
		return checkLabels(node, created.Labels, nil)
	case admission.Update:
		updated, ok := a.GetObject().(*corev1.Node)
		if !ok {
			return unexpectedType(a.GetObject())
		}
		old, ok := a.GetOldObject().(*corev1.Node)
		if !ok {
			return unexpectedType(a.GetOldObject())
		}
		return checkNodeUpdate(node, updated, old)
	default:
		return nil // the authorizer does not let it delete its node
	}
}

func checkNodeUpdate(node string, updated, old *corev1.Node) error {
	equal := equality.Semantic.DeepEqual
	switch {
	// Old kubelets drop the field.
	case updated.Spec.ConfigSource != nil && !equal(updated.Spec.ConfigSource, old.Spec.ConfigSource): //nolint:staticcheck // deprecated, but it can still be sent
		return fmt.Errorf("node %q may not change spec.configSource", node)
	case !equal(updated.Spec.Taints, old.Spec.Taints):
		return fmt.Errorf("node %q may not change its taints", node)
	case !equal(updated.OwnerReferences, old.OwnerReferences):
		return fmt.Errorf("node %q may not change its ownerReferences", node)
	}
	return checkLabels(node, updated.Labels, old.Labels)
}

// checkLabels checks the labels that were added, changed and removed.
func checkLabels(node string, updated, old map[string]string) error {
	var refused []string
	for key, value := range updated {
		if was, ok := old[key]; (!ok || was != value) && !mayLabel(key) {
			refused = append(refused, key)
		}
	}
	for key := range old {
		if _, ok := updated[key]; !ok && !mayLabel(key) {
			refused = append(refused, key)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	slices.Sort(refused)
	return fmt.Errorf("node %q may not set or change the labels %s", node, strings.Join(refused, ", "))
}

// mayLabel tells whether a kubelet may set a label: its own, those under the
// prefixes that are for kubelets and nodes, and those outside Kubernetes.
func mayLabel(key string) bool {
	prefix, _, ok := strings.Cut(key, "/")
	switch {
	case !ok:
		return true
	case within(prefix, corev1.LabelNamespaceNodeRestriction):
		return false
	case within(prefix, corev1.LabelNamespaceSuffixKubelet), within(prefix, corev1.LabelNamespaceSuffixNode):
		return true
	case within(prefix, "kubernetes.io"), within(prefix, "k8s.io"):
		return slices.Contains(kubeletLabels, key)
	default:
		return true
	}
}

// within tells whether a domain is another or a subdomain of it.
func within(domain, other string) bool {
	return domain == other || strings.HasSuffix(domain, "."+other)
}
