// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// kinds is the table of all kinds that need more than the rules for their types.
var kinds = func() map[reflect.Type]kind {
	t := map[reflect.Type]kind{}
	defineCore(t)
	return t
}()

func defineCore(t map[reflect.Type]kind) {
	define(t, definition[*corev1.Pod]{
		namespaced: true, name: subdomainName, always: pod, create: createPod, update: updatePod, status: podStatus,
	})
	define(t, definition[*corev1.PodTemplate]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.Service]{namespaced: true, name: labelName, always: service, update: updateService, status: serviceStatus})
	define(t, definition[*corev1.Endpoints]{namespaced: true, name: subdomainName, always: endpoints})
	define(t, definition[*discoveryv1.EndpointSlice]{namespaced: true, name: subdomainName, always: endpointSlice, update: updateEndpointSlice})
	define(t, definition[*corev1.ConfigMap]{namespaced: true, name: subdomainName, always: configMap, update: updateConfigMap})
	define(t, definition[*corev1.Secret]{namespaced: true, name: subdomainName, always: secret, update: updateSecret})
	define(t, definition[*corev1.ServiceAccount]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.Node]{name: subdomainName, always: node, update: updateNode, status: nodeStatus})
	define(t, definition[*corev1.Namespace]{name: labelName, always: namespace, status: namespaceStatus})
	define(t, definition[*corev1.LimitRange]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.ResourceQuota]{namespaced: true, name: subdomainName, update: updateResourceQuota, status: resourceQuotaStatus})
	define(t, definition[*corev1.PersistentVolume]{name: subdomainName, update: updatePersistentVolume})
	define(t, definition[*corev1.PersistentVolumeClaim]{namespaced: true, name: subdomainName, update: updateClaim, status: claimStatus})
	define(t, definition[*corev1.Event]{namespaced: true, always: event})
}
