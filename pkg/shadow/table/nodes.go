// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	labelRole       = "kubernetes.io/role"
	labelRolePrefix = "node-role.kubernetes.io/"
)

var (
	nodeInfoDoc  = corev1.NodeSystemInfo{}.SwaggerDoc()
	addressesDoc = corev1.NodeStatus{}.SwaggerDoc()["addresses"]
)

// Nodes are the columns of nodes.
var Nodes = New(definitions{
	nameColumn,
	text("Status", "Whether the node is ready and takes pods"),
	text("Roles", "The roles of the node"),
	ageColumn,
	text("Version", nodeInfoDoc["kubeletVersion"]),
	wide(text("Internal-IP", addressesDoc)),
	wide(text("External-IP", addressesDoc)),
	wide(text("OS-Image", nodeInfoDoc["osImage"])),
	wide(text("Kernel-Version", nodeInfoDoc["kernelVersion"])),
	wide(text("Container-Runtime", nodeInfoDoc["containerRuntimeVersion"])),
}, func(node *corev1.Node) []any {
	info := &node.Status.NodeInfo
	kernel := or(info.KernelVersion, unknown)
	if info.Architecture != "" {
		kernel += " (" + info.Architecture + ")"
	}
	return []any{
		node.Name, nodeStatus(node), nodeRoles(node), age(node), info.KubeletVersion,
		nodeAddress(node, corev1.NodeInternalIP), nodeAddress(node, corev1.NodeExternalIP),
		or(info.OSImage, unknown), kernel, or(info.ContainerRuntimeVersion, unknown),
	}
})

func nodeStatus(node *corev1.Node) string {
	status := "Unknown"
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		status = "NotReady"
		if c.Status == corev1.ConditionTrue {
			status = "Ready"
		}
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(node *corev1.Node) string {
	var roles []string
	for key, value := range node.Labels {
		if role, ok := strings.CutPrefix(key, labelRolePrefix); ok && role != "" {
			roles = append(roles, role)
		} else if key == labelRole && value != "" {
			roles = append(roles, value)
		}
	}
	slices.Sort(roles)
	return or(strings.Join(slices.Compact(roles), ","), none)
}

// nodeAddress returns the first address of that type.
func nodeAddress(node *corev1.Node, addressType corev1.NodeAddressType) string {
	for _, a := range node.Status.Addresses {
		if a.Type == addressType {
			return a.Address
		}
	}
	return none
}
