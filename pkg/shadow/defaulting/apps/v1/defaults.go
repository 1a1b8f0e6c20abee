// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

const (
	// revisionHistory is how many old revisions are kept to roll back to.
	revisionHistory = 10
	// progressDeadline of a rollout, in seconds.
	progressDeadline = 600
)

// SetDefaults_Deployment runs one replica and replaces a quarter of them at a
// time.
func SetDefaults_Deployment(deployment *appsv1.Deployment) {
	spec := &deployment.Spec
	fill.Nil(&spec.Replicas, 1)
	fill.Zero(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		fill.Nil(&spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		fill.Nil(&spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		fill.Nil(&spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	fill.Nil(&spec.RevisionHistoryLimit, revisionHistory)
	fill.Nil(&spec.ProgressDeadlineSeconds, progressDeadline)
}

// SetDefaults_ReplicaSet runs one replica.
func SetDefaults_ReplicaSet(set *appsv1.ReplicaSet) {
	fill.Nil(&set.Spec.Replicas, 1)
}

// SetDefaults_DaemonSet replaces the pod of one node at a time.
func SetDefaults_DaemonSet(set *appsv1.DaemonSet) {
	strategy := &set.Spec.UpdateStrategy
	fill.Zero(&strategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if strategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		fill.Nil(&strategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		fill.Nil(&strategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		fill.Nil(&strategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	fill.Nil(&set.Spec.RevisionHistoryLimit, revisionHistory)
}

// SetDefaults_StatefulSet runs one replica, replaces its pods in order, and
// keeps their volumes. The templates of claims say what they are.
func SetDefaults_StatefulSet(set *appsv1.StatefulSet) {
	spec := &set.Spec
	fill.Zero(&spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	if spec.UpdateStrategy.Type == "" {
		spec.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		fill.Nil(&spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
	}
	if rolling := spec.UpdateStrategy.RollingUpdate; rolling != nil && spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		fill.Nil(&rolling.Partition, 0)
	}
	fill.Nil(&spec.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	fill.Zero(&spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	fill.Zero(&spec.PersistentVolumeClaimRetentionPolicy.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	fill.Nil(&spec.Replicas, 1)
	fill.Nil(&spec.RevisionHistoryLimit, revisionHistory)
	for i := range spec.VolumeClaimTemplates {
		spec.VolumeClaimTemplates[i].APIVersion = "v1"
		spec.VolumeClaimTemplates[i].Kind = "PersistentVolumeClaim"
	}
}
