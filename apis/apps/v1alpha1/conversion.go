// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/conversion"

	"github.com/steppe-io/steppe/apis/apps"
)

// Convert_v1alpha1_NodePool_To_apps_NodePool takes what this version has no fields for
// from the conversion data.
func Convert_v1alpha1_NodePool_To_apps_NodePool(in *NodePool, out *apps.NodePool, s conversion.Scope) error {
	if err := autoConvert_v1alpha1_NodePool_To_apps_NodePool(in, out, s); err != nil {
		return err
	}
	annotations, data := apps.SplitConversionData(out.Annotations)
	out.Annotations, out.Spec.HostNetwork = data.RestoreHostNetwork(annotations)
	data.RestoreV1beta2(&out.Spec, &out.Status)
	return nil
}

// Convert_apps_NodePool_To_v1alpha1_NodePool keeps what this version has no fields for
// as conversion data.
func Convert_apps_NodePool_To_v1alpha1_NodePool(in *apps.NodePool, out *NodePool, s conversion.Scope) (err error) {
	if err := autoConvert_apps_NodePool_To_v1alpha1_NodePool(in, out, s); err != nil {
		return err
	}
	var data apps.NodePoolConversionData
	annotations := data.KeepHostNetwork(in.Spec.HostNetwork, in.Annotations)
	data.KeepV1beta2(&in.Spec, &in.Status)
	out.Annotations, err = apps.JoinConversionData(annotations, data)
	return err
}

// Convert_apps_NodePoolSpec_To_v1alpha1_NodePoolSpec converts the fields that this
// version has.
func Convert_apps_NodePoolSpec_To_v1alpha1_NodePoolSpec(in *apps.NodePoolSpec, out *NodePoolSpec, s conversion.Scope) error {
	return autoConvert_apps_NodePoolSpec_To_v1alpha1_NodePoolSpec(in, out, s)
}

// Convert_apps_NodePoolStatus_To_v1alpha1_NodePoolStatus converts the fields that this
// version has.
func Convert_apps_NodePoolStatus_To_v1alpha1_NodePoolStatus(in *apps.NodePoolStatus, out *NodePoolStatus, s conversion.Scope) error {
	return autoConvert_apps_NodePoolStatus_To_v1alpha1_NodePoolStatus(in, out, s)
}
