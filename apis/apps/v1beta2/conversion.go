// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	"k8s.io/apimachinery/pkg/conversion"

	"github.com/steppe-io/steppe/apis/apps"
)

// Convert_v1beta2_NodePool_To_apps_NodePool takes the selector, which only
// v1alpha1 has, from the conversion data.
func Convert_v1beta2_NodePool_To_apps_NodePool(in *NodePool, out *apps.NodePool, s conversion.Scope) error {
	if err := autoConvert_v1beta2_NodePool_To_apps_NodePool(in, out, s); err != nil {
		return err
	}
	annotations, data := apps.SplitConversionData(out.Annotations)
	out.Annotations = annotations
	out.Spec.Selector = data.Selector
	return nil
}

// Convert_apps_NodePool_To_v1beta2_NodePool keeps the selector as conversion data.
func Convert_apps_NodePool_To_v1beta2_NodePool(in *apps.NodePool, out *NodePool, s conversion.Scope) (err error) {
	if err := autoConvert_apps_NodePool_To_v1beta2_NodePool(in, out, s); err != nil {
		return err
	}
	data := apps.NodePoolConversionData{Selector: in.Spec.Selector}
	out.Annotations, err = apps.JoinConversionData(out.Annotations, data)
	return err
}

// Convert_apps_NodePoolSpec_To_v1beta2_NodePoolSpec converts all but the selector.
func Convert_apps_NodePoolSpec_To_v1beta2_NodePoolSpec(in *apps.NodePoolSpec, out *NodePoolSpec, s conversion.Scope) error {
	return autoConvert_apps_NodePoolSpec_To_v1beta2_NodePoolSpec(in, out, s)
}
