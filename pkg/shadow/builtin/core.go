// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/steppe-io/steppe/pkg/shadow/table"
)

var coreRows = []Resource{
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Namespace"), Name: "namespaces", Singular: "namespace", ShortNames: []string{"ns"},
		Columns:       table.Namespaces,
		ClusterScoped: true, Status: true, Cached: true,
		Fields: []Field{
			by("status.phase", func(n *corev1.Namespace) corev1.NamespacePhase { return n.Status.Phase }),
		},
		ReturnsDeleted: true,
		Hooks:          namespaceHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Node"), Name: "nodes", Singular: "node", ShortNames: []string{"no"}, Key: "minions",
		Columns:       table.Nodes,
		ClusterScoped: true, Status: true, StatusOnCreate: true, Cached: true,
		Fields: []Field{
			by("spec.unschedulable", func(n *corev1.Node) bool { return n.Spec.Unschedulable }),
		},
		Hooks: nodeHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Pod"), Name: "pods", Singular: "pod", ShortNames: []string{"po"}, Categories: all,
		Columns: table.Pods,
		Status:  true, Generation: true, Cached: true,
		Fields: []Field{
			indexed(by("spec.nodeName", func(p *corev1.Pod) string { return p.Spec.NodeName })),
			by("spec.restartPolicy", func(p *corev1.Pod) corev1.RestartPolicy { return p.Spec.RestartPolicy }),
			by("spec.schedulerName", func(p *corev1.Pod) string { return p.Spec.SchedulerName }),
			by("spec.serviceAccountName", func(p *corev1.Pod) string { return p.Spec.ServiceAccountName }),
			by("spec.hostNetwork", func(p *corev1.Pod) bool { return p.Spec.HostNetwork }),
			by("status.phase", func(p *corev1.Pod) corev1.PodPhase { return p.Status.Phase }),
			by("status.podIP", func(p *corev1.Pod) string {
				if len(p.Status.PodIPs) == 0 {
					return ""
				}
				return p.Status.PodIPs[0].IP
			}),
			by("status.nominatedNodeName", func(p *corev1.Pod) string { return p.Status.NominatedNodeName }),
		},
		ReturnsDeleted: true,
		StatusResets:   []string{"spec", "metadata.deletionTimestamp", "metadata.ownerReferences"},
		Hooks:          podHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Service"), Name: "services", Singular: "service", ShortNames: []string{"svc"}, Categories: all, Key: "services/specs",
		Columns: table.Services,
		Status:  true, CreateOnUpdate: true, Cached: true,
		Fields: []Field{
			by("spec.clusterIP", func(s *corev1.Service) string { return s.Spec.ClusterIP }),
			by("spec.type", func(s *corev1.Service) corev1.ServiceType { return s.Spec.Type }),
		},
		ReturnsDeleted: true,
		Hooks:          serviceHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Endpoints"), Name: "endpoints", Singular: "endpoints", ShortNames: []string{"ep"}, Key: "services/endpoints",
		Columns:        table.Endpoints,
		CreateOnUpdate: true,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Name: "configmaps", Singular: "configmap", ShortNames: []string{"cm"}, Cached: true,
		Columns: table.ConfigMaps,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Secret"), Name: "secrets", Singular: "secret", Cached: true,
		Columns: table.Secrets,
		Fields: []Field{
			by("type", func(s *corev1.Secret) corev1.SecretType { return s.Type }),
		},
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("ServiceAccount"), Name: "serviceaccounts", Singular: "serviceaccount", ShortNames: []string{"sa"},
		Columns:        table.ServiceAccounts,
		ReturnsDeleted: true,
		Hooks:          serviceAccountHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("Event"), Name: "events", Singular: "event", ShortNames: []string{"ev"},
		Columns:        table.Events,
		CreateOnUpdate: true, Expires: true,
		Fields: []Field{
			by("involvedObject.kind", func(e *corev1.Event) string { return e.InvolvedObject.Kind }),
			by("involvedObject.namespace", func(e *corev1.Event) string { return e.InvolvedObject.Namespace }),
			by("involvedObject.name", func(e *corev1.Event) string { return e.InvolvedObject.Name }),
			by("involvedObject.uid", func(e *corev1.Event) string { return string(e.InvolvedObject.UID) }),
			by("involvedObject.apiVersion", func(e *corev1.Event) string { return e.InvolvedObject.APIVersion }),
			by("involvedObject.resourceVersion", func(e *corev1.Event) string { return e.InvolvedObject.ResourceVersion }),
			by("involvedObject.fieldPath", func(e *corev1.Event) string { return e.InvolvedObject.FieldPath }),
			by("reason", func(e *corev1.Event) string { return e.Reason }),
			by("reportingComponent", func(e *corev1.Event) string { return e.ReportingController }),
			by("source", func(e *corev1.Event) string {
				if e.Source.Component == "" {
					return e.ReportingController
				}
				return e.Source.Component
			}),
			by("type", func(e *corev1.Event) string { return e.Type }),
		},
		Dependents: rest.Unsupported,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("PersistentVolume"), Name: "persistentvolumes", Singular: "persistentvolume", ShortNames: []string{"pv"},
		Columns:       table.PersistentVolumes,
		ClusterScoped: true, Status: true,
		ReturnsDeleted: true,
		Hooks:          persistentVolumeHooks,
		Dependents:     rest.Unsupported,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), Name: "persistentvolumeclaims", Singular: "persistentvolumeclaim", ShortNames: []string{"pvc"},
		Columns:        table.PersistentVolumeClaims,
		Status:         true,
		ReturnsDeleted: true,
		Hooks:          persistentVolumeClaimHooks,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("ReplicationController"), Name: "replicationcontrollers", Singular: "replicationcontroller", ShortNames: []string{"rc"}, Categories: all, Key: "controllers",
		Columns: table.ReplicationControllers,
		Status:  true, Generation: true,
		Fields: []Field{
			by("status.replicas", func(rc *corev1.ReplicationController) int32 { return rc.Status.Replicas }),
		},
		Dependents: rest.OrphanDependents,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("PodTemplate"), Name: "podtemplates", Singular: "podtemplate",
		Columns:        table.PodTemplates,
		Generation:     true,
		ReturnsDeleted: true,
		Dependents:     rest.Unsupported,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("LimitRange"), Name: "limitranges", Singular: "limitrange", ShortNames: []string{"limits"},
		CreateOnUpdate: true,
		Hooks:          limitRangeHooks,
		Dependents:     rest.Unsupported,
	},
	{
		Kind: corev1.SchemeGroupVersion.WithKind("ResourceQuota"), Name: "resourcequotas", Singular: "resourcequota", ShortNames: []string{"quota"},
		Columns:        table.ResourceQuotas,
		Status:         true,
		ReturnsDeleted: true,
		Dependents:     rest.Unsupported,
	},
}

// all is the category that `kubectl get all` shows.
var all = []string{"all"}
