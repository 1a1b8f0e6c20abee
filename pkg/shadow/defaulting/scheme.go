// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package defaulting

import (
	"k8s.io/apimachinery/pkg/runtime"

	admissionregistrationv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/admissionregistration/v1"
	appsv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/apps/v1"
	authenticationv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/authentication/v1"
	autoscalingv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/autoscaling/v1"
	autoscalingv2 "github.com/steppe-io/steppe/pkg/shadow/defaulting/autoscaling/v2"
	batchv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/batch/v1"
	corev1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/core/v1"
	discoveryv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/discovery/v1"
	flowcontrolv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/flowcontrol/v1"
	networkingv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/networking/v1"
	rbacv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/rbac/v1"
	resourcev1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/resource/v1"
	schedulingv1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/scheduling/v1"
	storagev1 "github.com/steppe-io/steppe/pkg/shadow/defaulting/storage/v1"
)

// AddToScheme has the scheme default the types of k8s.io/api, whatever groups
// and versions it knows them by.
func AddToScheme(scheme *runtime.Scheme) error {
	builder := runtime.NewSchemeBuilder(
		admissionregistrationv1.RegisterDefaults,
		appsv1.RegisterDefaults,
		authenticationv1.RegisterDefaults,
		autoscalingv1.RegisterDefaults,
		autoscalingv2.RegisterDefaults,
		batchv1.RegisterDefaults,
		corev1.RegisterDefaults,
		discoveryv1.RegisterDefaults,
		flowcontrolv1.RegisterDefaults,
		networkingv1.RegisterDefaults,
		rbacv1.RegisterDefaults,
		resourcev1.RegisterDefaults,
		schedulingv1.RegisterDefaults,
		storagev1.RegisterDefaults,
	)
	return builder.AddToScheme(scheme)
}
