// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"maps"
	"math"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_Job runs one pod, once, where neither number is given, and works
// until somebody stops it where only the parallelism is.
func SetDefaults_Job(job *batchv1.Job) {
	spec := &job.Spec
	if spec.Parallelism == nil {
		fill.Nil(&spec.Completions, 1)
	}
	fill.Nil(&spec.Parallelism, 1)
	if spec.BackoffLimitPerIndex != nil {
		fill.Nil(&spec.BackoffLimit, math.MaxInt32)
	}
	fill.Nil(&spec.BackoffLimit, 6)
	if len(job.Labels) == 0 && spec.Template.Labels != nil {
		job.Labels = maps.Clone(spec.Template.Labels)
	}
	fill.Nil(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	fill.Nil(&spec.Suspend, false)
	if spec.PodFailurePolicy != nil {
		fill.Nil(&spec.PodReplacementPolicy, batchv1.Failed)
	}
	fill.Nil(&spec.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	fill.Nil(&spec.ManualSelector, false)
}

// SetDefaults_CronJob starts a Job whether or not the last one has ended. Its
// template stays as it is: the Jobs made from it are defaulted.
func SetDefaults_CronJob(job *batchv1.CronJob) {
	fill.Zero(&job.Spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
	fill.Nil(&job.Spec.Suspend, false)
	fill.Nil(&job.Spec.SuccessfulJobsHistoryLimit, 3)
	fill.Nil(&job.Spec.FailedJobsHistoryLimit, 1)
}

// SetDefaults_PodFailurePolicyOnPodConditionsPattern matches a condition that
// is true.
func SetDefaults_PodFailurePolicyOnPodConditionsPattern(pattern *batchv1.PodFailurePolicyOnPodConditionsPattern) {
	fill.Zero(&pattern.Status, corev1.ConditionTrue)
}
