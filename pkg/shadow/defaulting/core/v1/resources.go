// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// SetDefaults_ResourceList rounds quantities up to thousandths, the smallest
// unit that the API carries.
func SetDefaults_ResourceList(list *corev1.ResourceList) {
	for name, quantity := range *list {
		quantity.RoundUp(resource.Milli)
		(*list)[name] = quantity
	}
}

// SetDefaults_LimitRangeItem derives a container's limit from the maximum, and
// its request from the limit, or else from the minimum.
func SetDefaults_LimitRangeItem(item *corev1.LimitRangeItem) {
	if item.Type != corev1.LimitTypeContainer {
		return
	}
	addMissing(&item.Default, item.Max)
	addMissing(&item.DefaultRequest, item.Default)
	addMissing(&item.DefaultRequest, item.Min)
}

// addMissing copies the quantities that the list does not have.
func addMissing(list *corev1.ResourceList, from corev1.ResourceList) {
	for name, quantity := range from {
		if _, found := (*list)[name]; !found {
			set(list, name, quantity)
		}
	}
}

// set copies a quantity into a list that may be nil.
func set(list *corev1.ResourceList, name corev1.ResourceName, quantity resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = quantity.DeepCopy()
}
