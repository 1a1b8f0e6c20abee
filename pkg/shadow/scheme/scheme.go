// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scheme makes the types that a pool's server works with.
//
// The versioned Go types of k8s.io/api double as hub types: each is registered a
// second time under the version __internal of its group, so that what is stored,
// what strategies see and what clients send is one and the same type and nothing
// is ever converted. Two exceptions are events, of which the two groups have types
// of their own and share one hub, and Steppe's groups, which have hub types.
package scheme

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// builtin are the groups served whole. A version that comes first in its group is
// the one preferred.
var builtin = []func(*runtime.Scheme) error{
	admissionregistrationv1.AddToScheme,
	appsv1.AddToScheme,
	authenticationv1.AddToScheme,
	authorizationv1.AddToScheme,
	autoscalingv2.AddToScheme,
	batchv1.AddToScheme,
	certificatesv1.AddToScheme,
	coordinationv1.AddToScheme,
	corev1.AddToScheme,
	discoveryv1.AddToScheme,
	eventsv1.AddToScheme,
	networkingv1.AddToScheme,
	nodev1.AddToScheme,
	policyv1.AddToScheme,
	rbacv1.AddToScheme,
	resourcev1.AddToScheme,
	schedulingv1.AddToScheme,
	storagev1.AddToScheme,
	addScale,
}

// addScale adds what of autoscaling/v1 the scale subresources are made of. Its
// autoscalers are served in v2 alone.
func addScale(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(autoscalingv1.SchemeGroupVersion, &autoscalingv1.Scale{})
	metav1.AddToGroupVersion(scheme, autoscalingv1.SchemeGroupVersion)
	return nil
}

// AddVersions adds the versioned types of Kubernetes alone. OpenAPI documents are
// named by them: in a document nobody is to meet __internal.
func AddVersions(scheme *runtime.Scheme) {
	for _, add := range builtin {
		utilruntime.Must(add(scheme))
	}
	utilruntime.Must(scheme.SetVersionPriority(autoscalingv2.SchemeGroupVersion, autoscalingv1.SchemeGroupVersion))
}

// AddBuiltin adds the types of Kubernetes, as versions and as hubs, with what
// converts between them. Defaults and field labels are others' to add.
func AddBuiltin(scheme *runtime.Scheme) {
	AddVersions(scheme)
	for _, version := range scheme.PrioritizedVersionsAllGroups() {
		hub := schema.GroupVersion{Group: version.Group, Version: runtime.APIVersionInternal}
		for kind, goType := range scheme.KnownTypes(version) {
			gvk := hub.WithKind(kind)
			if isMeta(goType.PkgPath()) || scheme.Recognizes(gvk) {
				continue
			}
			obj, err := scheme.New(version.WithKind(kind))
			if err != nil {
				panic(fmt.Sprintf("making a %s: %v", version.WithKind(kind), err)) // it has just been listed
			}
			switch obj.(type) {
			case *eventsv1.Event:
				obj = &corev1.Event{}
			case *eventsv1.EventList:
				obj = &corev1.EventList{}
			}
			scheme.AddKnownTypeWithName(gvk, obj)
		}
	}
	utilruntime.Must(addEventConversions(scheme))
}

// isMeta tells apart what every version has of the machinery's own.
func isMeta(path string) bool { return path == "k8s.io/apimachinery/pkg/apis/meta/v1" }
