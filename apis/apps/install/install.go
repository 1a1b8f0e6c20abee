// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package install puts the API group apps.openyurt.io, in all its versions,
// into a scheme.
package install

import (
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1alpha1"
	"github.com/steppe-io/steppe/apis/apps/v1beta1"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// Install adds the hub types and every version to scheme. The first version of
// the priority list is the one that is stored and preferred.
func Install(scheme *runtime.Scheme) {
	utilruntime.Must(apps.AddToScheme(scheme))
	utilruntime.Must(v1beta2.AddToScheme(scheme))
	utilruntime.Must(v1beta1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(scheme.SetVersionPriority(
		v1beta2.SchemeGroupVersion,
		v1beta1.SchemeGroupVersion,
		v1alpha1.SchemeGroupVersion,
	))
}
