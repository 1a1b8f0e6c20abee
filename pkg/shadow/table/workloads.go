// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

var (
	replicaSetStatusDoc = appsv1.ReplicaSetStatus{}.SwaggerDoc()
	daemonSetStatusDoc  = appsv1.DaemonSetStatus{}.SwaggerDoc()
	deploymentStatusDoc = appsv1.DeploymentStatus{}.SwaggerDoc()
)

// ReplicationControllers are the columns of replicationcontrollers.
var ReplicationControllers = New(definitions{
	nameColumn,
	integer("Desired", corev1.ReplicationControllerSpec{}.SwaggerDoc()["replicas"]),
	integer("Current", corev1.ReplicationControllerStatus{}.SwaggerDoc()["replicas"]),
	integer("Ready", corev1.ReplicationControllerStatus{}.SwaggerDoc()["readyReplicas"]),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", corev1.ReplicationControllerSpec{}.SwaggerDoc()["selector"])),
}, func(rc *corev1.ReplicationController) []any {
	names, images := "", ""
	if rc.Spec.Template != nil {
		names, images = containers(&rc.Spec.Template.Spec)
	}
	return []any{
		rc.Name, int64(ptr.Deref(rc.Spec.Replicas, 0)), int64(rc.Status.Replicas), int64(rc.Status.ReadyReplicas),
		age(rc), names, images, labels.FormatLabels(rc.Spec.Selector),
	}
})

// ReplicaSets are the columns of replicasets.apps.
var ReplicaSets = New(definitions{
	nameColumn,
	integer("Desired", appsv1.ReplicaSetSpec{}.SwaggerDoc()["replicas"]),
	integer("Current", replicaSetStatusDoc["replicas"]),
	integer("Ready", replicaSetStatusDoc["readyReplicas"]),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", appsv1.ReplicaSetSpec{}.SwaggerDoc()["selector"])),
}, func(set *appsv1.ReplicaSet) []any {
	names, images := containers(&set.Spec.Template.Spec)
	return []any{
		set.Name, int64(ptr.Deref(set.Spec.Replicas, 0)), int64(set.Status.Replicas), int64(set.Status.ReadyReplicas),
		age(set), names, images, metav1.FormatLabelSelector(set.Spec.Selector),
	}
})

// Deployments are the columns of deployments.apps.
var Deployments = New(definitions{
	nameColumn,
	text("Ready", "How many of the desired pods are ready"),
	text("Up-to-date", deploymentStatusDoc["updatedReplicas"]),
	text("Available", deploymentStatusDoc["availableReplicas"]),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", appsv1.DeploymentSpec{}.SwaggerDoc()["selector"])),
}, func(d *appsv1.Deployment) []any {
	names, images := containers(&d.Spec.Template.Spec)
	selector := "<invalid>"
	if s, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err == nil {
		selector = s.String()
	}
	return []any{
		d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 0)),
		int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas),
		age(d), names, images, selector,
	}
})

// StatefulSets are the columns of statefulsets.apps.
var StatefulSets = New(definitions{
	nameColumn,
	text("Ready", "How many of the desired pods are ready"),
	ageColumn, containersColumn, imagesColumn,
}, func(set *appsv1.StatefulSet) []any {
	names, images := containers(&set.Spec.Template.Spec)
	return []any{
		set.Name, fmt.Sprintf("%d/%d", set.Status.ReadyReplicas, ptr.Deref(set.Spec.Replicas, 0)),
		age(set), names, images,
	}
})

// DaemonSets are the columns of daemonsets.apps.
var DaemonSets = New(definitions{
	nameColumn,
	integer("Desired", daemonSetStatusDoc["desiredNumberScheduled"]),
	integer("Current", daemonSetStatusDoc["currentNumberScheduled"]),
	integer("Ready", daemonSetStatusDoc["numberReady"]),
	integer("Up-to-date", daemonSetStatusDoc["updatedNumberScheduled"]),
	integer("Available", daemonSetStatusDoc["numberAvailable"]),
	text("Node Selector", podSpecDoc["nodeSelector"]),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", appsv1.DaemonSetSpec{}.SwaggerDoc()["selector"])),
}, func(set *appsv1.DaemonSet) []any {
	names, images := containers(&set.Spec.Template.Spec)
	s := &set.Status
	return []any{
		set.Name, int64(s.DesiredNumberScheduled), int64(s.CurrentNumberScheduled), int64(s.NumberReady),
		int64(s.UpdatedNumberScheduled), int64(s.NumberAvailable),
		labels.FormatLabels(set.Spec.Template.Spec.NodeSelector),
		age(set), names, images, metav1.FormatLabelSelector(set.Spec.Selector),
	}
})

// ControllerRevisions are the columns of controllerrevisions.apps.
var ControllerRevisions = New(definitions{
	nameColumn,
	text("Controller", "The object that the revision is of"),
	text("Revision", appsv1.ControllerRevision{}.SwaggerDoc()["revision"]),
	ageColumn,
}, func(revision *appsv1.ControllerRevision) []any {
	controller := none
	if owner := metav1.GetControllerOfNoCopy(revision); owner != nil {
		kind := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind()
		controller = strings.ToLower(kind.String()) + "/" + owner.Name
	}
	return []any{revision.Name, controller, revision.Revision, age(revision)}
})
