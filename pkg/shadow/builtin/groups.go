// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/steppe-io/steppe/pkg/shadow/table"
)

// extensions is the category of what extends the API.
var extensions = []string{"api-extensions"}

// policies are what admission is told by.
var policiesRows = []Resource{
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"), Name: "validatingadmissionpolicies", Singular: "validatingadmissionpolicy", Dependents: rest.Unsupported, Columns: table.ValidatingAdmissionPolicies, Categories: extensions, ClusterScoped: true, Status: true, Generation: true, MustNameVersion: true, StatusAlone: true, StatusResets: []string{"spec", "metadata"}},
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding"), Name: "validatingadmissionpolicybindings", Singular: "validatingadmissionpolicybinding", Dependents: rest.Unsupported, Columns: table.ValidatingAdmissionPolicyBindings, Categories: extensions, ClusterScoped: true, Generation: true, MustNameVersion: true},
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingAdmissionPolicy"), Name: "mutatingadmissionpolicies", Singular: "mutatingadmissionpolicy", Dependents: rest.Unsupported, Columns: table.MutatingAdmissionPolicies, Categories: extensions, ClusterScoped: true, Generation: true, MustNameVersion: true},
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingAdmissionPolicyBinding"), Name: "mutatingadmissionpolicybindings", Singular: "mutatingadmissionpolicybinding", Dependents: rest.Unsupported, Columns: table.MutatingAdmissionPolicyBindings, Categories: extensions, ClusterScoped: true, Generation: true, MustNameVersion: true},
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"), Name: "validatingwebhookconfigurations", Singular: "validatingwebhookconfiguration", Dependents: rest.Unsupported, Columns: table.ValidatingWebhookConfigurations, Categories: extensions, ClusterScoped: true, Generation: true, MustNameVersion: true},
	{Kind: admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"), Name: "mutatingwebhookconfigurations", Singular: "mutatingwebhookconfiguration", Dependents: rest.Unsupported, Columns: table.MutatingWebhookConfigurations, Categories: extensions, ClusterScoped: true, Generation: true, MustNameVersion: true},
}

var appsRows = []Resource{
	{Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Name: "deployments", Singular: "deployment", Columns: table.Deployments, ShortNames: []string{"deploy"}, Categories: all, Status: true, Generation: true, StatusResets: []string{"spec", "metadata.labels"}, Hooks: deploymentHooks},
	{Kind: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), Name: "replicasets", Singular: "replicaset", Columns: table.ReplicaSets, ShortNames: []string{"rs"}, Categories: all, Status: true, Generation: true,
		Fields: []Field{by("status.replicas", func(rs *appsv1.ReplicaSet) int32 { return rs.Status.Replicas })}},
	{Kind: appsv1.SchemeGroupVersion.WithKind("StatefulSet"), Name: "statefulsets", Singular: "statefulset", Columns: table.StatefulSets, ShortNames: []string{"sts"}, Categories: all, Status: true, Generation: true},
	{Kind: appsv1.SchemeGroupVersion.WithKind("DaemonSet"), Name: "daemonsets", Singular: "daemonset", Columns: table.DaemonSets, ShortNames: []string{"ds"}, Categories: all, Status: true, Generation: true, Hooks: daemonSetHooks},
	{Kind: appsv1.SchemeGroupVersion.WithKind("ControllerRevision"), Name: "controllerrevisions", Singular: "controllerrevision", Columns: table.ControllerRevisions},
}

var batchRows = []Resource{
	{Kind: batchv1.SchemeGroupVersion.WithKind("Job"), Name: "jobs", Singular: "job", Columns: table.Jobs, Categories: all, Status: true, Generation: true, Dependents: rest.OrphanDependents, Hooks: jobHooks,
		Fields: []Field{by("status.successful", func(j *batchv1.Job) int32 { return j.Status.Succeeded })}},
	{Kind: batchv1.SchemeGroupVersion.WithKind("CronJob"), Name: "cronjobs", Singular: "cronjob", Columns: table.CronJobs, ShortNames: []string{"cj"}, Categories: all, Status: true, Generation: true},
}

var autoscalingRows = []Resource{
	{Kind: autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), Name: "horizontalpodautoscalers", Singular: "horizontalpodautoscaler", Columns: table.HorizontalPodAutoscalers, ShortNames: []string{"hpa"}, Categories: all, Status: true},
}

var disruptionRows = []Resource{
	{Kind: policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), Name: "poddisruptionbudgets", Singular: "poddisruptionbudget", Columns: table.PodDisruptionBudgets, ShortNames: []string{"pdb"}, Status: true, Generation: true, MustNameVersion: true},
}

var coordinationRows = []Resource{
	{Kind: coordinationv1.SchemeGroupVersion.WithKind("Lease"), Name: "leases", Singular: "lease", Dependents: rest.Unsupported, Columns: table.Leases, CreateOnUpdate: true, MustNameVersion: true, Hooks: leaseHooks},
}

var discoveryRows = []Resource{
	{Kind: discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"), Name: "endpointslices", Singular: "endpointslice", Columns: table.EndpointSlices, Generation: true, Cached: true, Hooks: endpointSliceHooks},
}

var networkingRows = []Resource{
	{Kind: networkingv1.SchemeGroupVersion.WithKind("Ingress"), Name: "ingresses", Singular: "ingress", Columns: table.Ingresses, ShortNames: []string{"ing"}, Key: "ingress", Status: true, Generation: true},
	{Kind: networkingv1.SchemeGroupVersion.WithKind("IngressClass"), Name: "ingressclasses", Singular: "ingressclass", Dependents: rest.Unsupported, Columns: table.IngressClasses, ClusterScoped: true, Generation: true},
	{Kind: networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), Name: "networkpolicies", Singular: "networkpolicy", Columns: table.NetworkPolicies, ShortNames: []string{"netpol"}, Generation: true},
	{Kind: networkingv1.SchemeGroupVersion.WithKind("ServiceCIDR"), Name: "servicecidrs", Singular: "servicecidr", Dependents: rest.Unsupported, Columns: table.ServiceCIDRs, ClusterScoped: true, Status: true, StatusAlone: true, StatusResets: []string{"spec", "metadata"}},
	{Kind: networkingv1.SchemeGroupVersion.WithKind("IPAddress"), Name: "ipaddresses", Singular: "ipaddress", Dependents: rest.Unsupported, Columns: table.IPAddresses, ShortNames: []string{"ip"}, ClusterScoped: true,
		Fields: []Field{
			by("spec.parentRef.name", func(ip *networkingv1.IPAddress) string { return parentOf(ip).Name }),
			by("spec.parentRef.namespace", func(ip *networkingv1.IPAddress) string { return parentOf(ip).Namespace }),
			by("spec.parentRef.resource", func(ip *networkingv1.IPAddress) string { return parentOf(ip).Resource }),
		}},
}

func parentOf(ip *networkingv1.IPAddress) networkingv1.ParentReference {
	if ip.Spec.ParentRef == nil {
		return networkingv1.ParentReference{}
	}
	return *ip.Spec.ParentRef
}

var nodeRows = []Resource{
	{Kind: nodev1.SchemeGroupVersion.WithKind("RuntimeClass"), Name: "runtimeclasses", Singular: "runtimeclass", Dependents: rest.Unsupported, Columns: table.RuntimeClasses, ClusterScoped: true, CreateOnUpdate: true, MustNameVersion: true},
}

var schedulingRows = []Resource{
	{Kind: schedulingv1.SchemeGroupVersion.WithKind("PriorityClass"), Name: "priorityclasses", Singular: "priorityclass", Dependents: rest.Unsupported, Columns: table.PriorityClasses, ShortNames: []string{"pc"}, ClusterScoped: true, Hooks: priorityClassHooks},
}

var storageRows = []Resource{
	{Kind: storagev1.SchemeGroupVersion.WithKind("StorageClass"), Name: "storageclasses", Singular: "storageclass", Dependents: rest.Unsupported, Columns: table.StorageClasses, ShortNames: []string{"sc"}, ClusterScoped: true, ReturnsDeleted: true},
	{Kind: storagev1.SchemeGroupVersion.WithKind("VolumeAttachment"), Name: "volumeattachments", Singular: "volumeattachment", Dependents: rest.Unsupported, Columns: table.VolumeAttachments, ClusterScoped: true, Status: true, MustNameVersion: true, ReturnsDeleted: true, StatusAlone: true, StatusResets: []string{"spec", "metadata"}},
	{Kind: storagev1.SchemeGroupVersion.WithKind("CSINode"), Name: "csinodes", Singular: "csinode", Dependents: rest.Unsupported, Columns: table.CSINodes, ClusterScoped: true, MustNameVersion: true, ReturnsDeleted: true},
	{Kind: storagev1.SchemeGroupVersion.WithKind("CSIDriver"), Name: "csidrivers", Singular: "csidriver", Dependents: rest.Unsupported, Columns: table.CSIDrivers, ClusterScoped: true, MustNameVersion: true, ReturnsDeleted: true, Hooks: csiDriverHooks},
	{Kind: storagev1.SchemeGroupVersion.WithKind("CSIStorageCapacity"), Name: "csistoragecapacities", Singular: "csistoragecapacity", Dependents: rest.Unsupported, MustNameVersion: true},
	{Kind: storagev1.SchemeGroupVersion.WithKind("VolumeAttributesClass"), Name: "volumeattributesclasses", Singular: "volumeattributesclass", Dependents: rest.Unsupported, Columns: table.VolumeAttributesClasses, ShortNames: []string{"vac"}, ClusterScoped: true, ReturnsDeleted: true},
}

var rbacRows = []Resource{
	{Kind: rbacv1.SchemeGroupVersion.WithKind("Role"), Name: "roles", Singular: "role", CreateOnUpdate: true},
	{Kind: rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), Name: "rolebindings", Singular: "rolebinding", Columns: table.RoleBindings, CreateOnUpdate: true},
	{Kind: rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), Name: "clusterroles", Singular: "clusterrole", Dependents: rest.Unsupported, ClusterScoped: true, CreateOnUpdate: true},
	{Kind: rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"), Name: "clusterrolebindings", Singular: "clusterrolebinding", Dependents: rest.Unsupported, Columns: table.ClusterRoleBindings, ClusterScoped: true, CreateOnUpdate: true},
}

var certificatesRows = []Resource{
	{Kind: certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest"), Name: "certificatesigningrequests", Singular: "certificatesigningrequest", Dependents: rest.Unsupported, Columns: table.CertificateSigningRequests, ShortNames: []string{"csr"}, ClusterScoped: true, Status: true, Hooks: certificateHooks, Resets: []string{"spec", "status"}, StatusResets: []string{"spec", "status.conditions"},
		Fields: []Field{by("spec.signerName", func(csr *certificatesv1.CertificateSigningRequest) string { return csr.Spec.SignerName })}},
}

var devicesRows = []Resource{
	{Kind: resourcev1.SchemeGroupVersion.WithKind("DeviceClass"), Name: "deviceclasses", Singular: "deviceclass", Dependents: rest.Unsupported, Columns: table.DeviceClasses, ClusterScoped: true, Generation: true, ReturnsDeleted: true},
	{Kind: resourcev1.SchemeGroupVersion.WithKind("ResourceClaim"), Name: "resourceclaims", Singular: "resourceclaim", Columns: table.ResourceClaims, Status: true, ReturnsDeleted: true, StatusAlone: true, StatusResets: []string{"spec", "metadata"}, Hooks: resourceClaimHooks},
	{Kind: resourcev1.SchemeGroupVersion.WithKind("ResourceClaimTemplate"), Name: "resourceclaimtemplates", Singular: "resourceclaimtemplate", Columns: table.ResourceClaimTemplates, ReturnsDeleted: true},
	{Kind: resourcev1.SchemeGroupVersion.WithKind("ResourceSlice"), Name: "resourceslices", Singular: "resourceslice", Dependents: rest.Unsupported, Columns: table.ResourceSlices, ClusterScoped: true, Generation: true, ReturnsDeleted: true,
		Fields: []Field{
			by(resourcev1.ResourceSliceSelectorNodeName, func(s *resourcev1.ResourceSlice) string {
				if s.Spec.NodeName == nil {
					return ""
				}
				return *s.Spec.NodeName
			}),
			by(resourcev1.ResourceSliceSelectorDriver, func(s *resourcev1.ResourceSlice) string { return s.Spec.Driver }),
		}},
}
