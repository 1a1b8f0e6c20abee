// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of Jobs, so that their status fits into an object.
const (
	maxManagedBy             = 63
	maxIndexedParallelism    = 100_000
	manyCompletions          = 100_000
	maxFailedOfMany          = 10_000
	maxParallelismOfMany     = 10_000
	maxFailureRules          = 20
	maxSuccessRules          = 20
	maxSuccessIndexes        = 64 * 1024
	maxCronJobName           = 52
	maxExitCodes             = 255
	maxConditionsOfAnRule    = 20
	labelControllerUID       = batchv1.ControllerUidLabel
	labelJobName             = batchv1.JobNameLabel
	labelLegacyControllerUID = "controller-uid"
	labelLegacyJobName       = "job-name"
)

// batchRules are for what runs pods to their end.
func batchRules() []rule {
	return []rule{
		also(of[batchv1.JobSpec](
			f("parallelism", nonNegative), f("completions", nonNegative), f("activeDeadlineSeconds", nonNegative),
			f("backoffLimit", nonNegative), f("ttlSecondsAfterFinished", nonNegative), f("backoffLimitPerIndex", nonNegative),
			f("maxFailedIndexes", nonNegative), f("managedBy", maxLength(maxManagedBy)),
		), jobSpec),
		of[batchv1.PodFailurePolicy](f("rules", maxItems(maxFailureRules))),
		also(of[batchv1.PodFailurePolicyRule](f("action", required), f("onPodConditions", maxItems(maxConditionsOfAnRule))),
			func(r *batchv1.PodFailurePolicyRule, at *field.Path, p *problems) {
				if (r.OnExitCodes == nil) == (len(r.OnPodConditions) == 0) {
					p.invalid(at, "", "must specify exactly one of: `onExitCodes`, `onPodConditions`")
				}
			}),
		also(of[batchv1.PodFailurePolicyOnExitCodesRequirement](f("operator", required), f("values", maxItems(maxExitCodes))), exitCodes),
		also(of[batchv1.PodFailurePolicyOnPodConditionsPattern](f("type", labelKey)),
			func(c *batchv1.PodFailurePolicyOnPodConditionsPattern, at *field.Path, p *problems) {
				if c.Status == "" {
					p.required(at.Child("status"), "")
				} else {
					listed(p, at.Child("status"), c.Status, corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown)
				}
			}),
		of[batchv1.SuccessPolicy](f("rules", required, maxItems(maxSuccessRules))),
		also(of[batchv1.CronJobSpec](
			f("schedule", required), f("timeZone", text(timeZone)), f("startingDeadlineSeconds", nonNegative), f("concurrencyPolicy", required),
			f("successfulJobsHistoryLimit", nonNegative), f("failedJobsHistoryLimit", nonNegative),
		), func(s *batchv1.CronJobSpec, at *field.Path, p *problems) {
			if err := cronSchedule(s.Schedule); err != nil && s.Schedule != "" {
				p.invalid(at.Child("schedule"), s.Schedule, err.Error())
			}
			job, at := &s.JobTemplate.Spec, at.Child("jobTemplate", "spec")
			if job.Selector != nil {
				p.invalid(at.Child("selector"), "", "may not be specified in templates")
			}
			if job.ManualSelector != nil && *job.ManualSelector {
				p.add(field.NotSupported(at.Child("manualSelector"), true, []string{"false"}))
			}
		}),
	}
}

func indexed(s *batchv1.JobSpec) bool {
	return s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion
}

func jobSpec(s *batchv1.JobSpec, at *field.Path, p *problems) {
	if s.ManagedBy != nil {
		p.add(validation.IsDomainPrefixedPath(at.Child("managedBy"), *s.ManagedBy)...)
	}
	if s.MaxFailedIndexes != nil && s.BackoffLimitPerIndex == nil {
		p.required(at.Child("backoffLimitPerIndex"), "must be specified when `maxFailedIndexes` is")
	}
	if indexed(s) {
		indexedJob(s, at, p)
	} else {
		for _, f := range (specified{
			{"backoffLimitPerIndex", s.BackoffLimitPerIndex != nil}, {"maxFailedIndexes", s.MaxFailedIndexes != nil}, {"successPolicy", s.SuccessPolicy != nil},
		}) {
			if f.is {
				p.invalid(at.Child(f.name), "", "may only be specified when `completionMode` is 'Indexed'")
			}
		}
	}
	template := at.Child("template", "spec")
	switch policy := s.Template.Spec.RestartPolicy; {
	case policy == corev1.RestartPolicyAlways || policy == "":
		p.required(template.Child("restartPolicy"), "must be 'OnFailure' or 'Never'")
	case s.PodFailurePolicy != nil && policy != corev1.RestartPolicyNever:
		p.invalid(template.Child("restartPolicy"), policy, "must be 'Never' when there is a `podFailurePolicy`")
	}
	if s.PodFailurePolicy == nil {
		return
	}
	if s.PodReplacementPolicy != nil && *s.PodReplacementPolicy != batchv1.Failed {
		listed(p, at.Child("podReplacementPolicy"), *s.PodReplacementPolicy, batchv1.Failed)
	}
	names := sets.New[string]()
	eachContainer(&s.Template.Spec, nil, func(c *corev1.Container, _ *field.Path) { names.Insert(c.Name) })
	for i, r := range s.PodFailurePolicy.Rules {
		at := at.Child("podFailurePolicy", "rules").Index(i)
		if r.Action == batchv1.PodFailurePolicyActionFailIndex && s.BackoffLimitPerIndex == nil {
			p.invalid(at.Child("action"), r.Action, "may only be 'FailIndex' when `backoffLimitPerIndex` is specified")
		}
		if c := r.OnExitCodes; c != nil && c.ContainerName != nil && !names.Has(*c.ContainerName) {
			p.invalid(at.Child("onExitCodes", "containerName"), *c.ContainerName, "must name a container of the template")
		}
	}
}

// indexedJob checks Jobs whose status has a list of indexes.
func indexedJob(s *batchv1.JobSpec, at *field.Path, p *problems) {
	if s.Completions == nil {
		p.required(at.Child("completions"), "must be specified when `completionMode` is 'Indexed'")
		return
	}
	atMost := func(name string, n *int32, limit int32) {
		if n != nil && *n > limit {
			p.invalid(at.Child(name), *n, fmt.Sprintf("must be less than or equal to %d", limit))
		}
	}
	atMost("parallelism", s.Parallelism, maxIndexedParallelism)
	atMost("maxFailedIndexes", s.MaxFailedIndexes, min(*s.Completions, manyCompletions))
	if *s.Completions > manyCompletions && s.BackoffLimitPerIndex != nil {
		if s.MaxFailedIndexes == nil {
			p.required(at.Child("maxFailedIndexes"), fmt.Sprintf("must be specified when `completions` is above %d", manyCompletions))
		}
		atMost("parallelism", s.Parallelism, maxParallelismOfMany)
		atMost("maxFailedIndexes", s.MaxFailedIndexes, maxFailedOfMany)
	}
	if s.SuccessPolicy == nil {
		return
	}
	for i, r := range s.SuccessPolicy.Rules {
		at := at.Child("successPolicy", "rules").Index(i)
		limit := *s.Completions
		if r.SucceededCount == nil && r.SucceededIndexes == nil {
			p.required(at, "must specify `succeededCount` or `succeededIndexes`")
		}
		if r.SucceededIndexes != nil {
			if len(*r.SucceededIndexes) > maxSuccessIndexes {
				p.add(field.TooLong(at.Child("succeededIndexes"), "", maxSuccessIndexes))
				continue
			}
			total, err := indexes(*r.SucceededIndexes, *s.Completions)
			if err != nil {
				p.invalid(at.Child("succeededIndexes"), *r.SucceededIndexes, err.Error())
			}
			limit = min(limit, total)
		}
		if r.SucceededCount != nil && (*r.SucceededCount < 0 || *r.SucceededCount > limit) {
			p.invalid(at.Child("succeededCount"), *r.SucceededCount, fmt.Sprintf("must be between 0 and %d, inclusive", limit))
		}
	}
}

// indexes counts indexes in a list like 1,3-5.
func indexes(list string, completions int32) (int32, error) {
	if list == "" {
		return 0, nil
	}
	total, last := int32(0), int64(-1)
	for item := range strings.SplitSeq(list, ",") {
		first, end, ranged := strings.Cut(item, "-")
		low, err := strconv.ParseInt(first, 10, 32)
		high := low
		if err == nil && ranged {
			if high, err = strconv.ParseInt(end, 10, 32); high <= low {
				err = errors.New("a range that ends before it begins")
			}
		}
		if err != nil || low <= last || high >= int64(completions) {
			return 0, fmt.Errorf("must be a list of rising indexes and ranges below %d, like 1,3-5", completions)
		}
		total, last = total+int32(high-low)+1, high
	}
	return total, nil
}

func exitCodes(r *batchv1.PodFailurePolicyOnExitCodesRequirement, at *field.Path, p *problems) {
	at = at.Child("values")
	if len(r.Values) == 0 {
		p.invalid(at, "", "must have a value")
	}
	for i, value := range r.Values {
		if value == 0 && r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn {
			p.invalid(at.Index(i), value, "must not be 0 when `operator` is 'In'")
		}
		if i > 0 && r.Values[i-1] == value {
			p.duplicate(at.Index(i), value)
		}
	}
	if !slices.IsSorted(r.Values) {
		p.invalid(at, r.Values, "must be in rising order")
	}
}

// job checks that a Job finds its own pods and no others.
func job(j *batchv1.Job, p *problems) {
	if j.Spec.Selector == nil {
		p.required(spec.Child("selector"), "")
		return
	}
	matches(j.Spec.Selector, &j.Spec.Template, spec, p)
	ownSelector(j, p)
	if indexed(&j.Spec) && j.Spec.Completions != nil && *j.Spec.Completions > 0 {
		last := fmt.Sprintf("%s-%d", j.Name, *j.Spec.Completions-1)
		if len(validation.IsDNS1123Label(last)) > 0 {
			p.invalid(field.NewPath("metadata", "name"), j.Name, "must be the beginning of host names like "+last)
		}
	}
}

// ownSelector checks that labels by which pods are found are those of this Job,
// unless its maker says that they are chosen with care.
func ownSelector(j *batchv1.Job, p *problems) {
	if j.Spec.ManualSelector != nil && *j.Spec.ManualSelector || j.Spec.Selector == nil {
		return
	}
	at := spec.Child("template", "metadata", "labels")
	for _, label := range []struct{ key, value string }{
		{labelControllerUID, string(j.UID)}, {labelJobName, j.Name}, {labelLegacyControllerUID, string(j.UID)}, {labelLegacyJobName, j.Name},
	} {
		if got, ok := j.Spec.Template.Labels[label.key]; !ok {
			p.required(at.Key(label.key), "must be '"+label.value+"'")
		} else if got != label.value {
			p.invalid(at.Key(label.key), got, "must be '"+label.value+"'")
		}
	}
	if !slices.Contains([]string{j.Spec.Selector.MatchLabels[labelControllerUID], j.Spec.Selector.MatchLabels[labelLegacyControllerUID]}, string(j.UID)) {
		p.invalid(spec.Child("selector"), j.Spec.Selector.MatchLabels, "may only be chosen when `manualSelector` is true")
	}
}

func updateJob(j, old *batchv1.Job, p *problems) {
	now, before := &j.Spec, &old.Spec
	switch {
	case !indexed(now):
		unchanged(p, spec.Child("completions"), now.Completions, before.Completions)
	case now.Completions != nil && !apiequality.Semantic.DeepEqual(now.Completions, before.Completions) && (now.Parallelism == nil || *now.Completions != *now.Parallelism):
		p.invalid(spec.Child("completions"), *now.Completions, "may only change together with `parallelism`, to the same value")
	}
	unchanged(p, spec.Child("selector"), now.Selector, before.Selector)
	unchanged(p, spec.Child("completionMode"), now.CompletionMode, before.CompletionMode)
	unchanged(p, spec.Child("podFailurePolicy"), now.PodFailurePolicy, before.PodFailurePolicy)
	unchanged(p, spec.Child("backoffLimitPerIndex"), now.BackoffLimitPerIndex, before.BackoffLimitPerIndex)
	unchanged(p, spec.Child("managedBy"), now.ManagedBy, before.ManagedBy)
	unchanged(p, spec.Child("successPolicy"), now.SuccessPolicy, before.SuccessPolicy)
	if !apiequality.Semantic.DeepEqual(sameTemplate(j, old), &before.Template) {
		p.invalid(spec.Child("template"), "", "field is immutable, but for what schedules and sizes the pods of a suspended Job")
	}
}

// sameTemplate is the new template with what may change of it made as it was.
func sameTemplate(j, old *batchv1.Job) *corev1.PodTemplateSpec {
	suspended := old.Spec.Suspend != nil && *old.Spec.Suspend && old.Status.Active == 0
	idle := old.Status.StartTime == nil || slices.ContainsFunc(old.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobSuspended && c.Status == corev1.ConditionTrue
	})
	if !suspended || !idle {
		return &j.Spec.Template
	}
	now, before := j.Spec.Template.DeepCopy(), &old.Spec.Template
	now.Labels, now.Annotations = before.Labels, before.Annotations
	now.Spec.NodeSelector, now.Spec.Tolerations, now.Spec.SchedulingGates = before.Spec.NodeSelector, before.Spec.Tolerations, before.Spec.SchedulingGates
	switch a, b := now.Spec.Affinity, before.Spec.Affinity; {
	case a == nil && b != nil && b.PodAffinity == nil && b.PodAntiAffinity == nil:
		now.Spec.Affinity = b
	case a != nil && b == nil && a.PodAffinity == nil && a.PodAntiAffinity == nil:
		now.Spec.Affinity = nil
	case a != nil && b != nil:
		a.NodeAffinity = b.NodeAffinity
	}
	resources := func(now, before []corev1.Container) {
		for i := range now {
			if len(now) == len(before) && now[i].Name == before[i].Name {
				now[i].Resources = before[i].Resources
			}
		}
	}
	resources(now.Spec.Containers, before.Spec.Containers)
	resources(now.Spec.InitContainers, before.Spec.InitContainers)
	return now
}

// jobStatus checks that what has ended stays so.
func jobStatus(j, old *batchv1.Job, p *problems) {
	now, before := &j.Status, &old.Status
	counters(0, []counter{
		{"active", int64(now.Active), false}, {"succeeded", int64(now.Succeeded), false}, {"failed", int64(now.Failed), false},
	}, p)
	if now.Ready != nil && (*now.Ready < 0 || *now.Ready > now.Active) {
		p.invalid(status.Child("ready"), *now.Ready, "must be between 0 and `status.active`, inclusive")
	}
	if now.Failed < before.Failed {
		p.invalid(status.Child("failed"), now.Failed, "must not become less")
	}
	if now.Succeeded < before.Succeeded && !indexed(&j.Spec) {
		p.invalid(status.Child("succeeded"), now.Succeeded, "must not become less")
	}
	is := func(s *batchv1.JobStatus, kind batchv1.JobConditionType) bool {
		return slices.ContainsFunc(s.Conditions, func(c batchv1.JobCondition) bool { return c.Type == kind && c.Status == corev1.ConditionTrue })
	}
	for _, kind := range []batchv1.JobConditionType{batchv1.JobFailed, batchv1.JobComplete, batchv1.JobFailureTarget, batchv1.JobSuccessCriteriaMet} {
		if is(before, kind) && !is(now, kind) {
			p.invalid(status.Child("conditions"), kind, "must stay true")
		}
	}
	if is(now, batchv1.JobComplete) && is(now, batchv1.JobFailed) {
		p.invalid(status.Child("conditions"), "", "may not be both Complete and Failed")
	}
	if before.CompletionTime != nil && now.CompletionTime != nil && !now.CompletionTime.Equal(before.CompletionTime) {
		p.invalid(status.Child("completionTime"), now.CompletionTime.String(), "field is immutable")
	}
	if now.CompletedIndexes != "" {
		if !indexed(&j.Spec) {
			p.invalid(status.Child("completedIndexes"), now.CompletedIndexes, "may only be specified when `completionMode` is 'Indexed'")
		} else if j.Spec.Completions != nil {
			if _, err := indexes(now.CompletedIndexes, *j.Spec.Completions); err != nil {
				p.invalid(status.Child("completedIndexes"), now.CompletedIndexes, err.Error())
			}
		}
	}
}

// createCronJob checks that names of Jobs can be made from its own.
func createCronJob(c *batchv1.CronJob, p *problems) {
	if len(c.Name) > maxCronJobName {
		p.invalid(field.NewPath("metadata", "name"), c.Name, fmt.Sprintf("must be at most %d characters, as Jobs are named after it", maxCronJobName))
	}
}
