// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"reflect"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// kinds is the table of all kinds that need more than the rules for their types.
var kinds = func() map[reflect.Type]kind {
	t := map[reflect.Type]kind{}
	defineCore(t)
	defineWorkloads(t)
	defineNetwork(t)
	defineStorage(t)
	defineAccess(t)
	defineAdmission(t)
	defineDevices(t)
	return t
}()

func defineCore(t map[reflect.Type]kind) {
	define(t, definition[*corev1.Pod]{
		namespaced: true, name: subdomainName, always: pod, create: createPod, update: updatePod, status: podStatus,
	})
	define(t, definition[*corev1.PodTemplate]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.ConfigMap]{namespaced: true, name: subdomainName, always: configMap, update: updateConfigMap})
	define(t, definition[*corev1.Secret]{namespaced: true, name: subdomainName, always: secret, update: updateSecret})
	define(t, definition[*corev1.ServiceAccount]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.Node]{name: subdomainName, always: node, update: updateNode, status: nodeStatus})
	define(t, definition[*corev1.Namespace]{name: labelName, always: namespace, status: namespaceStatus})
	define(t, definition[*corev1.LimitRange]{namespaced: true, name: subdomainName})
	define(t, definition[*corev1.ResourceQuota]{namespaced: true, name: subdomainName, update: updateResourceQuota, status: resourceQuotaStatus})
	define(t, definition[*corev1.Event]{namespaced: true, always: event})
	define(t, definition[*coordinationv1.Lease]{namespaced: true, name: subdomainName})
	define(t, definition[*nodev1.RuntimeClass]{name: subdomainName, always: runtimeClass, update: updateRuntimeClass})
	define(t, definition[*schedulingv1.PriorityClass]{name: subdomainName, always: priorityClass, update: updatePriorityClass})
}

func defineWorkloads(t map[reflect.Type]kind) {
	define(t, definition[*corev1.ReplicationController]{namespaced: true, name: subdomainName, status: replicationControllerStatus})
	define(t, definition[*appsv1.Deployment]{
		namespaced: true, name: subdomainName, status: deploymentStatus,
		update: func(now, old *appsv1.Deployment, p *problems) {
			unchanged(p, spec.Child("selector"), now.Spec.Selector, old.Spec.Selector)
		},
	})
	define(t, definition[*appsv1.ReplicaSet]{
		namespaced: true, name: subdomainName, status: replicaSetStatus,
		update: func(now, old *appsv1.ReplicaSet, p *problems) {
			unchanged(p, spec.Child("selector"), now.Spec.Selector, old.Spec.Selector)
		},
	})
	define(t, definition[*appsv1.DaemonSet]{
		namespaced: true, name: subdomainName, status: daemonSetStatus,
		update: func(now, old *appsv1.DaemonSet, p *problems) {
			unchanged(p, spec.Child("selector"), now.Spec.Selector, old.Spec.Selector)
		},
	})
	define(t, definition[*appsv1.StatefulSet]{
		namespaced: true, name: subdomainName, view: statefulSetView, create: createStatefulSet, update: updateStatefulSet, status: statefulSetStatus,
	})
	define(t, definition[*appsv1.ControllerRevision]{
		namespaced: true, name: subdomainName, always: controllerRevision, create: createControllerRevision,
		update: func(now, old *appsv1.ControllerRevision, p *problems) {
			unchanged(p, data, now.Data, old.Data)
		},
	})
	define(t, definition[*batchv1.Job]{namespaced: true, name: subdomainName, always: job, update: updateJob, status: jobStatus})
	define(t, definition[*batchv1.CronJob]{namespaced: true, name: subdomainName, create: createCronJob})
	define(t, definition[*autoscalingv2.HorizontalPodAutoscaler]{namespaced: true, name: subdomainName, status: autoscalerStatus})
	define(t, definition[*policyv1.PodDisruptionBudget]{namespaced: true, name: subdomainName, status: budgetStatus})
}

func defineNetwork(t map[reflect.Type]kind) {
	define(t, definition[*corev1.Service]{namespaced: true, name: labelName, always: service, update: updateService, status: serviceStatus})
	define(t, definition[*corev1.Endpoints]{namespaced: true, name: subdomainName}) //nolint:staticcheck // clients still write them
	define(t, definition[*discoveryv1.EndpointSlice]{namespaced: true, name: subdomainName, always: endpointSlice, update: updateEndpointSlice})
	define(t, definition[*networkingv1.NetworkPolicy]{namespaced: true, name: subdomainName})
	define(t, definition[*networkingv1.Ingress]{namespaced: true, name: subdomainName, create: createIngress, status: ingressStatus})
	define(t, definition[*networkingv1.IngressClass]{name: subdomainName, update: updateIngressClass})
	define(t, definition[*networkingv1.IPAddress]{name: ipName, update: updateIPAddress})
	define(t, definition[*networkingv1.ServiceCIDR]{name: subdomainName, update: updateServiceCIDR})
}

func defineStorage(t map[reflect.Type]kind) {
	define(t, definition[*corev1.PersistentVolume]{name: subdomainName, always: persistentVolume, update: updatePersistentVolume})
	define(t, definition[*corev1.PersistentVolumeClaim]{namespaced: true, name: subdomainName, update: updateClaim, status: claimStatus})
	define(t, definition[*storagev1.StorageClass]{name: subdomainName, always: storageClass, update: updateStorageClass})
	define(t, definition[*storagev1.VolumeAttributesClass]{name: subdomainName, always: volumeAttributesClass, update: updateVolumeAttributesClass})
	define(t, definition[*storagev1.VolumeAttachment]{name: subdomainName, update: updateVolumeAttachment, status: volumeAttachmentStatus})
	define(t, definition[*storagev1.CSINode]{name: subdomainName, update: updateCSINode})
	define(t, definition[*storagev1.CSIDriver]{name: subdomainName, update: updateCSIDriver})
	define(t, definition[*storagev1.CSIStorageCapacity]{namespaced: true, name: subdomainName, always: storageCapacity, update: updateStorageCapacity})
}

func defineAccess(t map[reflect.Type]kind) {
	define(t, definition[*rbacv1.Role]{namespaced: true, name: segmentName, always: role})
	define(t, definition[*rbacv1.ClusterRole]{name: segmentName})
	define(t, definition[*rbacv1.RoleBinding]{namespaced: true, name: segmentName, always: roleBinding, update: updateRoleBinding})
	define(t, definition[*rbacv1.ClusterRoleBinding]{name: segmentName, always: clusterRoleBinding, update: updateClusterRoleBinding})
	define(t, definition[*certificatesv1.CertificateSigningRequest]{name: segmentName, update: updateSigningRequest, status: issueCertificate})
}

func defineAdmission(t map[reflect.Type]kind) {
	define(t, definition[*admissionregistrationv1.ValidatingWebhookConfiguration]{name: subdomainName, always: validatingWebhooks})
	define(t, definition[*admissionregistrationv1.MutatingWebhookConfiguration]{name: subdomainName, always: mutatingWebhooks})
	define(t, definition[*admissionregistrationv1.ValidatingAdmissionPolicy]{name: subdomainName, always: validatingPolicy})
	define(t, definition[*admissionregistrationv1.MutatingAdmissionPolicy]{name: subdomainName, always: mutatingPolicy})
	define(t, definition[*admissionregistrationv1.ValidatingAdmissionPolicyBinding]{name: subdomainName})
	define(t, definition[*admissionregistrationv1.MutatingAdmissionPolicyBinding]{name: subdomainName})
}

func defineDevices(t map[reflect.Type]kind) {
	define(t, definition[*resourcev1.ResourceClaim]{
		namespaced: true, name: subdomainName, create: createClaim, update: updateResourceClaim, status: resourceClaimStatus,
	})
	define(t, definition[*resourcev1.ResourceClaimTemplate]{
		namespaced: true, name: subdomainName, create: createClaimTemplate, update: updateClaimTemplate,
	})
	define(t, definition[*resourcev1.DeviceClass]{name: subdomainName, always: deviceClass, create: createDeviceClass, update: updateDeviceClass})
	define(t, definition[*resourcev1.ResourceSlice]{name: subdomainName, create: createSlice, update: updateSlice})
}
