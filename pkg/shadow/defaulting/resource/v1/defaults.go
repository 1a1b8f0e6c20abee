// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_ExactDeviceRequest requests one device.
func SetDefaults_ExactDeviceRequest(request *resourcev1.ExactDeviceRequest) {
	setAllocation(&request.AllocationMode, &request.Count)
}

// SetDefaults_DeviceSubRequest requests one device.
func SetDefaults_DeviceSubRequest(request *resourcev1.DeviceSubRequest) {
	setAllocation(&request.AllocationMode, &request.Count)
}

func setAllocation(mode *resourcev1.DeviceAllocationMode, count *int64) {
	fill.Zero(mode, resourcev1.DeviceAllocationModeExactCount)
	if *mode == resourcev1.DeviceAllocationModeExactCount {
		fill.Zero(count, 1)
	}
}

// SetDefaults_DeviceTaint dates a taint from when it is first seen.
func SetDefaults_DeviceTaint(taint *resourcev1.DeviceTaint) {
	if taint.TimeAdded == nil {
		taint.TimeAdded = &metav1.Time{Time: time.Now().Truncate(time.Second)}
	}
}

// SetDefaults_Device counts one unit of the node's resource for each unit of
// the device. The generator does not look into maps, so this is done here.
func SetDefaults_Device(device *resourcev1.Device) {
	for name, mapping := range device.NodeAllocatableResourceMappings {
		fill.Nil(&mapping.AllocationMultiplier, resource.MustParse("1"))
		device.NodeAllocatableResourceMappings[name] = mapping
	}
}
