// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var (
	cronJobSpecDoc   = batchv1.CronJobSpec{}.SwaggerDoc()
	cronJobStatusDoc = batchv1.CronJobStatus{}.SwaggerDoc()
)

// Jobs are the columns of jobs.batch.
var Jobs = New(definitions{
	nameColumn,
	text("Status", "How far the job is."),
	text("Completions", batchv1.JobStatus{}.SwaggerDoc()["succeeded"]),
	text("Duration", "How long the job took, or takes so far."),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"])),
}, func(job *batchv1.Job) []any {
	names, images := containers(&job.Spec.Template.Spec)
	return []any{
		job.Name, jobStatus(job), jobCompletions(job), jobDuration(job), age(job),
		names, images, metav1.FormatLabelSelector(job.Spec.Selector),
	}
})

func jobStatus(job *batchv1.Job) string {
	is := func(condition batchv1.JobConditionType) bool {
		for _, c := range job.Status.Conditions {
			if c.Type == condition {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	}
	switch {
	case is(batchv1.JobComplete):
		return "Complete"
	case is(batchv1.JobFailed):
		return "Failed"
	case job.DeletionTimestamp != nil:
		return "Terminating"
	case is(batchv1.JobSuspended):
		return "Suspended"
	case is(batchv1.JobFailureTarget):
		return "FailureTarget"
	case is(batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	default:
		return "Running"
	}
}

func jobCompletions(job *batchv1.Job) string {
	parallelism := ptr.Deref(job.Spec.Parallelism, 0)
	switch {
	case job.Spec.Completions != nil:
		return fmt.Sprintf("%d/%d", job.Status.Succeeded, *job.Spec.Completions)
	case parallelism > 1:
		return fmt.Sprintf("%d/1 of %d", job.Status.Succeeded, parallelism)
	default:
		return fmt.Sprintf("%d/1", job.Status.Succeeded)
	}
}

func jobDuration(job *batchv1.Job) string {
	switch start, end := job.Status.StartTime, job.Status.CompletionTime; {
	case start == nil:
		return ""
	case end == nil:
		return human(time.Since(start.Time))
	default:
		return human(end.Sub(start.Time))
	}
}

// CronJobs are the columns of cronjobs.batch.
var CronJobs = New(definitions{
	nameColumn,
	text("Schedule", cronJobSpecDoc["schedule"]),
	text("Timezone", cronJobSpecDoc["timeZone"]),
	boolean("Suspend", cronJobSpecDoc["suspend"]),
	integer("Active", cronJobStatusDoc["active"]),
	text("Last Schedule", cronJobStatusDoc["lastScheduleTime"]),
	ageColumn, containersColumn, imagesColumn,
	wide(text("Selector", batchv1.JobSpec{}.SwaggerDoc()["selector"])),
}, func(job *batchv1.CronJob) []any {
	names, images := containers(&job.Spec.JobTemplate.Spec.Template.Spec)
	suspend := unset
	if job.Spec.Suspend != nil {
		suspend = "False"
		if *job.Spec.Suspend {
			suspend = "True"
		}
	}
	last := none
	if job.Status.LastScheduleTime != nil {
		last = since(*job.Status.LastScheduleTime)
	}
	return []any{
		job.Name, job.Spec.Schedule, deref(job.Spec.TimeZone, none), suspend, int64(len(job.Status.Active)), last,
		age(job), names, images, metav1.FormatLabelSelector(job.Spec.JobTemplate.Spec.Selector),
	}
})
