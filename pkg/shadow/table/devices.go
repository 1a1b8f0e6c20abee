// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
)

var resourceSliceSpecDoc = resourcev1.ResourceSliceSpec{}.SwaggerDoc()

// DeviceClasses are the columns of deviceclasses.resource.k8s.io.
var DeviceClasses = New(definitions{nameColumn, ageColumn}, func(class *resourcev1.DeviceClass) []any {
	return []any{class.Name, age(class)}
})

// ResourceClaimTemplates are the columns of resourceclaimtemplates.resource.k8s.io.
var ResourceClaimTemplates = New(definitions{nameColumn, ageColumn}, func(template *resourcev1.ResourceClaimTemplate) []any {
	return []any{template.Name, age(template)}
})

// ResourceClaims are the columns of resourceclaims.resource.k8s.io.
var ResourceClaims = New(definitions{
	nameColumn,
	text("State", "Whether the claim is allocated, reserved for a pod, going away."),
	ageColumn,
}, func(claim *resourcev1.ResourceClaim) []any {
	var states []string
	if claim.DeletionTimestamp != nil {
		states = append(states, "deleted")
	}
	switch {
	case claim.Status.Allocation != nil && len(claim.Status.ReservedFor) > 0:
		states = append(states, "allocated", "reserved")
	case claim.Status.Allocation != nil:
		states = append(states, "allocated")
	case claim.DeletionTimestamp == nil:
		states = append(states, "pending")
	}
	return []any{claim.Name, strings.Join(states, ","), age(claim)}
})

// ResourceSlices are the columns of resourceslices.resource.k8s.io.
var ResourceSlices = New(definitions{
	nameColumn,
	text("Node", resourceSliceSpecDoc["nodeName"]),
	text("Driver", resourceSliceSpecDoc["driver"]),
	text("Pool", resourcev1.ResourcePool{}.SwaggerDoc()["name"]),
	ageColumn,
}, func(slice *resourcev1.ResourceSlice) []any {
	return []any{slice.Name, deref(slice.Spec.NodeName, ""), slice.Spec.Driver, slice.Spec.Pool.Name, age(slice)}
})
