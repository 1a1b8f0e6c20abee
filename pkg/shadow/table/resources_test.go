// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// printed is a resource that tables are made of.
type printed struct {
	group   schema.GroupVersion
	name    string
	columns Columns
	list    runtime.Object
}

// resources are all of them. Zero Columns are what kube-apiserver has no columns
// for either.
var resources = []printed{
	{corev1.SchemeGroupVersion, "configmaps", ConfigMaps, &corev1.ConfigMapList{}},
	{corev1.SchemeGroupVersion, "endpoints", Endpoints, &corev1.EndpointsList{}},
	{corev1.SchemeGroupVersion, "events", Events, &corev1.EventList{}},
	{corev1.SchemeGroupVersion, "limitranges", Columns{}, &corev1.LimitRangeList{}},
	{corev1.SchemeGroupVersion, "namespaces", Namespaces, &corev1.NamespaceList{}},
	{corev1.SchemeGroupVersion, "nodes", Nodes, &corev1.NodeList{}},
	{corev1.SchemeGroupVersion, "persistentvolumeclaims", PersistentVolumeClaims, &corev1.PersistentVolumeClaimList{}},
	{corev1.SchemeGroupVersion, "persistentvolumes", PersistentVolumes, &corev1.PersistentVolumeList{}},
	{corev1.SchemeGroupVersion, "pods", Pods, &corev1.PodList{}},
	{corev1.SchemeGroupVersion, "podtemplates", PodTemplates, &corev1.PodTemplateList{}},
	{corev1.SchemeGroupVersion, "replicationcontrollers", ReplicationControllers, &corev1.ReplicationControllerList{}},
	{corev1.SchemeGroupVersion, "resourcequotas", ResourceQuotas, &corev1.ResourceQuotaList{}},
	{corev1.SchemeGroupVersion, "secrets", Secrets, &corev1.SecretList{}},
	{corev1.SchemeGroupVersion, "serviceaccounts", ServiceAccounts, &corev1.ServiceAccountList{}},
	{corev1.SchemeGroupVersion, "services", Services, &corev1.ServiceList{}},
	{admissionv1.SchemeGroupVersion, "mutatingadmissionpolicies", MutatingAdmissionPolicies, &admissionv1.MutatingAdmissionPolicyList{}},
	{admissionv1.SchemeGroupVersion, "mutatingadmissionpolicybindings", MutatingAdmissionPolicyBindings, &admissionv1.MutatingAdmissionPolicyBindingList{}},
	{admissionv1.SchemeGroupVersion, "mutatingwebhookconfigurations", MutatingWebhookConfigurations, &admissionv1.MutatingWebhookConfigurationList{}},
	{admissionv1.SchemeGroupVersion, "validatingadmissionpolicies", ValidatingAdmissionPolicies, &admissionv1.ValidatingAdmissionPolicyList{}},
	{admissionv1.SchemeGroupVersion, "validatingadmissionpolicybindings", ValidatingAdmissionPolicyBindings, &admissionv1.ValidatingAdmissionPolicyBindingList{}},
	{admissionv1.SchemeGroupVersion, "validatingwebhookconfigurations", ValidatingWebhookConfigurations, &admissionv1.ValidatingWebhookConfigurationList{}},
	{appsv1.SchemeGroupVersion, "controllerrevisions", ControllerRevisions, &appsv1.ControllerRevisionList{}},
	{appsv1.SchemeGroupVersion, "daemonsets", DaemonSets, &appsv1.DaemonSetList{}},
	{appsv1.SchemeGroupVersion, "deployments", Deployments, &appsv1.DeploymentList{}},
	{appsv1.SchemeGroupVersion, "replicasets", ReplicaSets, &appsv1.ReplicaSetList{}},
	{appsv1.SchemeGroupVersion, "statefulsets", StatefulSets, &appsv1.StatefulSetList{}},
	{autoscalingv2.SchemeGroupVersion, "horizontalpodautoscalers", HorizontalPodAutoscalers, &autoscalingv2.HorizontalPodAutoscalerList{}},
	{batchv1.SchemeGroupVersion, "cronjobs", CronJobs, &batchv1.CronJobList{}},
	{batchv1.SchemeGroupVersion, "jobs", Jobs, &batchv1.JobList{}},
	{certificatesv1.SchemeGroupVersion, "certificatesigningrequests", CertificateSigningRequests, &certificatesv1.CertificateSigningRequestList{}},
	{coordinationv1.SchemeGroupVersion, "leases", Leases, &coordinationv1.LeaseList{}},
	{discoveryv1.SchemeGroupVersion, "endpointslices", EndpointSlices, &discoveryv1.EndpointSliceList{}},
	{flowcontrolv1.SchemeGroupVersion, "flowschemas", FlowSchemas, &flowcontrolv1.FlowSchemaList{}},
	{flowcontrolv1.SchemeGroupVersion, "prioritylevelconfigurations", PriorityLevelConfigurations, &flowcontrolv1.PriorityLevelConfigurationList{}},
	{networkingv1.SchemeGroupVersion, "ingressclasses", IngressClasses, &networkingv1.IngressClassList{}},
	{networkingv1.SchemeGroupVersion, "ingresses", Ingresses, &networkingv1.IngressList{}},
	{networkingv1.SchemeGroupVersion, "ipaddresses", IPAddresses, &networkingv1.IPAddressList{}},
	{networkingv1.SchemeGroupVersion, "networkpolicies", NetworkPolicies, &networkingv1.NetworkPolicyList{}},
	{networkingv1.SchemeGroupVersion, "servicecidrs", ServiceCIDRs, &networkingv1.ServiceCIDRList{}},
	{nodev1.SchemeGroupVersion, "runtimeclasses", RuntimeClasses, &nodev1.RuntimeClassList{}},
	{policyv1.SchemeGroupVersion, "poddisruptionbudgets", PodDisruptionBudgets, &policyv1.PodDisruptionBudgetList{}},
	{rbacv1.SchemeGroupVersion, "clusterrolebindings", ClusterRoleBindings, &rbacv1.ClusterRoleBindingList{}},
	{rbacv1.SchemeGroupVersion, "clusterroles", Columns{}, &rbacv1.ClusterRoleList{}},
	{rbacv1.SchemeGroupVersion, "rolebindings", RoleBindings, &rbacv1.RoleBindingList{}},
	{rbacv1.SchemeGroupVersion, "roles", Columns{}, &rbacv1.RoleList{}},
	{resourcev1.SchemeGroupVersion, "deviceclasses", DeviceClasses, &resourcev1.DeviceClassList{}},
	{resourcev1.SchemeGroupVersion, "resourceclaims", ResourceClaims, &resourcev1.ResourceClaimList{}},
	{resourcev1.SchemeGroupVersion, "resourceclaimtemplates", ResourceClaimTemplates, &resourcev1.ResourceClaimTemplateList{}},
	{resourcev1.SchemeGroupVersion, "resourceslices", ResourceSlices, &resourcev1.ResourceSliceList{}},
	{schedulingv1.SchemeGroupVersion, "priorityclasses", PriorityClasses, &schedulingv1.PriorityClassList{}},
	{storagev1.SchemeGroupVersion, "csidrivers", CSIDrivers, &storagev1.CSIDriverList{}},
	{storagev1.SchemeGroupVersion, "csinodes", CSINodes, &storagev1.CSINodeList{}},
	{storagev1.SchemeGroupVersion, "csistoragecapacities", Columns{}, &storagev1.CSIStorageCapacityList{}},
	{storagev1.SchemeGroupVersion, "storageclasses", StorageClasses, &storagev1.StorageClassList{}},
	{storagev1.SchemeGroupVersion, "volumeattachments", VolumeAttachments, &storagev1.VolumeAttachmentList{}},
	{storagev1.SchemeGroupVersion, "volumeattributesclasses", VolumeAttributesClasses, &storagev1.VolumeAttributesClassList{}},
}
