// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apiserver/pkg/admission"
)

// checkClaim lets a kubelet report that it has grown a volume, and nothing else.
func checkClaim(node string, a admission.Attributes) error {
	if a.GetSubresource() != "status" || a.GetOperation() != admission.Update {
		return fmt.Errorf("node %q may only update the status of persistentvolumeclaims", node)
	}
	old, ok := a.GetOldObject().(*corev1.PersistentVolumeClaim)
	if !ok {
		return unexpectedType(a.GetOldObject())
	}
	updated, ok := a.GetObject().(*corev1.PersistentVolumeClaim)
	if !ok {
		return unexpectedType(a.GetObject())
	}
	if !equality.Semantic.DeepEqual(withoutGrowth(old), withoutGrowth(updated)) {
		return fmt.Errorf("node %q may only change capacity, allocatedResources, allocatedResourceStatuses and conditions in the status of a persistentvolumeclaim", node)
	}
	return nil
}

// withoutGrowth returns a shallow copy without what a kubelet may change, and
// without what changes with every write.
func withoutGrowth(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	c := *claim
	c.ResourceVersion, c.ManagedFields = "", nil
	c.Status.Capacity, c.Status.Conditions = nil, nil
	c.Status.AllocatedResources, c.Status.AllocatedResourceStatuses = nil, nil
	return &c
}
