// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// defaultClassAnnotations mark the StorageClass that claims get if they name none.
var defaultClassAnnotations = []string{"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"}

var (
	storageClassDoc   = storagev1.StorageClass{}.SwaggerDoc()
	attachmentSpecDoc = storagev1.VolumeAttachmentSpec{}.SwaggerDoc()
	csiDriverSpecDoc  = storagev1.CSIDriverSpec{}.SwaggerDoc()
)

// StorageClasses are the columns of storageclasses.storage.k8s.io.
var StorageClasses = New(definitions{
	nameColumn,
	text("Provisioner", storageClassDoc["provisioner"]),
	text("ReclaimPolicy", storageClassDoc["reclaimPolicy"]),
	text("VolumeBindingMode", storageClassDoc["volumeBindingMode"]),
	text("AllowVolumeExpansion", storageClassDoc["allowVolumeExpansion"]),
	ageColumn,
}, func(class *storagev1.StorageClass) []any {
	name := class.Name
	for _, annotation := range defaultClassAnnotations {
		if class.Annotations[annotation] == "true" {
			name = class.Name + " (default)"
		}
	}
	return []any{
		name, class.Provisioner,
		deref(class.ReclaimPolicy, string(corev1.PersistentVolumeReclaimDelete)),
		deref(class.VolumeBindingMode, string(storagev1.VolumeBindingImmediate)),
		ptr.Deref(class.AllowVolumeExpansion, false), age(class),
	}
})

// VolumeAttributesClasses are the columns of volumeattributesclasses.storage.k8s.io.
var VolumeAttributesClasses = New(definitions{
	nameColumn,
	text("DriverName", storagev1.VolumeAttributesClass{}.SwaggerDoc()["driverName"]),
	ageColumn,
}, func(class *storagev1.VolumeAttributesClass) []any {
	return []any{class.Name, class.DriverName, age(class)}
})

// VolumeAttachments are the columns of volumeattachments.storage.k8s.io.
var VolumeAttachments = New(definitions{
	nameColumn,
	metav1.TableColumnDefinition{Name: "Attacher", Type: "string", Format: "name", Description: attachmentSpecDoc["attacher"]},
	text("PV", storagev1.VolumeAttachmentSource{}.SwaggerDoc()["persistentVolumeName"]),
	text("Node", attachmentSpecDoc["nodeName"]),
	boolean("Attached", storagev1.VolumeAttachmentStatus{}.SwaggerDoc()["attached"]),
	ageColumn,
}, func(a *storagev1.VolumeAttachment) []any {
	return []any{
		a.Name, a.Spec.Attacher, deref(a.Spec.Source.PersistentVolumeName, ""), a.Spec.NodeName, a.Status.Attached, age(a),
	}
})

// CSINodes are the columns of csinodes.storage.k8s.io.
var CSINodes = New(definitions{
	nameColumn,
	integer("Drivers", "How many CSI drivers are registered on the node"),
	ageColumn,
}, func(node *storagev1.CSINode) []any {
	return []any{node.Name, int64(len(node.Spec.Drivers)), age(node)}
})

// CSIDrivers are the columns of csidrivers.storage.k8s.io.
var CSIDrivers = New(definitions{
	nameColumn,
	boolean("AttachRequired", csiDriverSpecDoc["attachRequired"]),
	boolean("PodInfoOnMount", csiDriverSpecDoc["podInfoOnMount"]),
	boolean("StorageCapacity", csiDriverSpecDoc["storageCapacity"]),
	text("TokenRequests", csiDriverSpecDoc["tokenRequests"]),
	boolean("RequiresRepublish", csiDriverSpecDoc["requiresRepublish"]),
	text("Modes", csiDriverSpecDoc["volumeLifecycleModes"]),
	ageColumn,
}, func(driver *storagev1.CSIDriver) []any {
	tokens := unset
	if driver.Spec.TokenRequests != nil {
		var audiences []string
		for _, request := range driver.Spec.TokenRequests {
			audiences = append(audiences, request.Audience)
		}
		tokens = strings.Join(audiences, ",")
	}
	return []any{
		driver.Name, ptr.Deref(driver.Spec.AttachRequired, true), ptr.Deref(driver.Spec.PodInfoOnMount, false),
		ptr.Deref(driver.Spec.StorageCapacity, false), tokens, ptr.Deref(driver.Spec.RequiresRepublish, false),
		or(join(driver.Spec.VolumeLifecycleModes, ","), none), age(driver),
	}
})
