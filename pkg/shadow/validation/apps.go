// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var data = field.NewPath("data")

// appsRules are for what keeps pods running.
func appsRules() []rule {
	return []rule{
		also(of[appsv1.DeploymentSpec](
			f("replicas", required, nonNegative), f("minReadySeconds", nonNegative), f("revisionHistoryLimit", nonNegative), f("progressDeadlineSeconds", nonNegative),
		), func(s *appsv1.DeploymentSpec, at *field.Path, p *problems) {
			selects(s.Selector, &s.Template, at, p)
			forEver(&s.Template, at, p)
			if d := s.ProgressDeadlineSeconds; d != nil && *d <= s.MinReadySeconds {
				p.invalid(at.Child("progressDeadlineSeconds"), *d, "must be greater than `minReadySeconds`")
			}
		}),
		also(of[appsv1.DeploymentStrategy](f("type", required)), func(s *appsv1.DeploymentStrategy, at *field.Path, p *problems) {
			rolling(s.Type == appsv1.RollingUpdateDeploymentStrategyType, s.RollingUpdate != nil, true, at, p)
		}),
		also(of[appsv1.RollingUpdateDeployment](f("maxUnavailable", required, intOrPercent, atMostAll), f("maxSurge", required, intOrPercent)),
			func(r *appsv1.RollingUpdateDeployment, at *field.Path, p *problems) {
				if isZero(r.MaxUnavailable) && isZero(r.MaxSurge) {
					p.invalid(at.Child("maxUnavailable"), r.MaxUnavailable.String(), "may not be 0 when `maxSurge` is 0")
				}
			}),
		also(of[appsv1.ReplicaSetSpec](f("replicas", required, nonNegative), f("minReadySeconds", nonNegative)),
			func(s *appsv1.ReplicaSetSpec, at *field.Path, p *problems) {
				selects(s.Selector, &s.Template, at, p)
				forEver(&s.Template, at, p)
			}),
		also(of[appsv1.DaemonSetSpec](f("minReadySeconds", nonNegative), f("revisionHistoryLimit", nonNegative)),
			func(s *appsv1.DaemonSetSpec, at *field.Path, p *problems) {
				selects(s.Selector, &s.Template, at, p)
				forEver(&s.Template, at, p)
			}),
		also(of[appsv1.DaemonSetUpdateStrategy](f("type", required)), func(s *appsv1.DaemonSetUpdateStrategy, at *field.Path, p *problems) {
			if s.Type == appsv1.RollingUpdateDaemonSetStrategyType && s.RollingUpdate == nil {
				p.required(at.Child("rollingUpdate"), "")
			}
		}),
		also(of[appsv1.RollingUpdateDaemonSet](f("maxUnavailable", intOrPercent, atMostAll), f("maxSurge", intOrPercent, atMostAll)),
			func(r *appsv1.RollingUpdateDaemonSet, at *field.Path, p *problems) {
				switch down, up := !isZero(r.MaxUnavailable), !isZero(r.MaxSurge); {
				case down && up:
					p.invalid(at.Child("maxSurge"), r.MaxSurge.String(), "may not be specified when `maxUnavailable` is not 0")
				case !down && !up:
					p.required(at.Child("maxUnavailable"), "may not be 0 when `maxSurge` is 0")
				}
			}),
		also(of[appsv1.StatefulSetSpec](
			f("replicas", required, nonNegative), f("minReadySeconds", nonNegative), f("podManagementPolicy", required),
		), func(s *appsv1.StatefulSetSpec, at *field.Path, p *problems) {
			selects(s.Selector, &s.Template, at, p)
			forEver(&s.Template, at, p)
			if s.UpdateStrategy.Type == "" {
				p.required(at.Child("updateStrategy"), "must have a `type`")
			} else if s.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType && s.UpdateStrategy.RollingUpdate != nil {
				p.invalid(at.Child("updateStrategy", "rollingUpdate"), "", "may only be specified when `type` is 'RollingUpdate'")
			}
		}),
		of[appsv1.StatefulSetOrdinals](f("start", nonNegative)),
		also(of[appsv1.RollingUpdateStatefulSetStrategy](f("partition", nonNegative), f("maxUnavailable", intOrPercent, atMostAll)),
			func(r *appsv1.RollingUpdateStatefulSetStrategy, at *field.Path, p *problems) {
				if r.MaxUnavailable != nil && isZero(r.MaxUnavailable) {
					p.invalid(at.Child("maxUnavailable"), r.MaxUnavailable.String(), "may not be 0")
				}
			}),
		also(of[corev1.ReplicationControllerSpec](
			f("replicas", required, nonNegative), f("minReadySeconds", nonNegative), f("selector", required), f("template", required),
		), func(s *corev1.ReplicationControllerSpec, at *field.Path, p *problems) {
			if s.Template == nil {
				return
			}
			if len(s.Selector) > 0 && !labels.SelectorFromSet(s.Selector).Matches(labels.Set(s.Template.Labels)) {
				p.invalid(at.Child("template", "metadata", "labels"), s.Template.Labels, "must be matched by `selector`")
			}
			forEver(s.Template, at, p)
		}),
	}
}

// selects checks that a workload finds the pods that it makes: otherwise it would
// make more and more.
func selects(selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, at *field.Path, p *problems) {
	if selector == nil {
		p.required(at.Child("selector"), "")
		return
	}
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		p.invalid(at.Child("selector"), "", "must not be empty")
	}
	matches(selector, template, at, p)
}

func matches(selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, at *field.Path, p *problems) {
	// One that cannot be parsed is refused by the rule for selectors.
	if s, err := metav1.LabelSelectorAsSelector(selector); err == nil && !s.Matches(labels.Set(template.Labels)) {
		p.invalid(at.Child("template", "metadata", "labels"), template.Labels, "must be matched by `selector`")
	}
}

// forEver checks that the pods of a workload never end.
func forEver(template *corev1.PodTemplateSpec, at *field.Path, p *problems) {
	at = at.Child("template", "spec")
	listed(p, at.Child("restartPolicy"), template.Spec.RestartPolicy, corev1.RestartPolicyAlways)
	if template.Spec.ActiveDeadlineSeconds != nil {
		p.forbidden(at.Child("activeDeadlineSeconds"), "may not be specified for pods that are to run for ever")
	}
}

// rolling checks that parameters of a rolling update are there only for one.
func rolling(is, specified, must bool, at *field.Path, p *problems) {
	switch {
	case is && !specified && must:
		p.required(at.Child("rollingUpdate"), "")
	case !is && specified:
		p.forbidden(at.Child("rollingUpdate"), "may only be specified when `type` is 'RollingUpdate'")
	}
}

// intOrPercent checks numbers of pods that may be a share of all.
func intOrPercent(v reflect.Value, at *field.Path, p *problems) {
	n, ok := v.Interface().(*intstr.IntOrString)
	switch {
	case !ok || n == nil:
	case n.Type == intstr.Int && n.IntVal < 0:
		p.invalid(at, n.IntVal, "must be greater than or equal to 0")
	case n.Type == intstr.String:
		p.each(at, n.StrVal, validation.IsValidPercent(n.StrVal))
	}
}

// atMostAll refuses shares of more than 100%.
func atMostAll(v reflect.Value, at *field.Path, p *problems) {
	n, ok := v.Interface().(*intstr.IntOrString)
	if !ok || n == nil || n.Type != intstr.String || len(validation.IsValidPercent(n.StrVal)) > 0 {
		return
	}
	if share, err := strconv.Atoi(strings.TrimSuffix(n.StrVal, "%")); err != nil || share > 100 {
		p.invalid(at, n.StrVal, "must be at most 100%")
	}
}

func isZero(n *intstr.IntOrString) bool {
	if n == nil {
		return true
	}
	if n.Type == intstr.Int {
		return n.IntVal == 0
	}
	share, err := strconv.Atoi(strings.TrimSuffix(n.StrVal, "%"))
	return err == nil && share == 0
}

// statefulSetView is a set whose pods have the volumes that are made for them.
func statefulSetView(s *appsv1.StatefulSet) *appsv1.StatefulSet {
	view := *s
	pods := &view.Spec.Template.Spec
	// These are overwritten in each pod.
	pods.Hostname, pods.Subdomain = "", ""
	pods.Volumes = slices.Clone(pods.Volumes)
	at := make(map[string]int, len(pods.Volumes))
	for i, v := range pods.Volumes {
		at[v.Name] = i
	}
	for _, claim := range s.Spec.VolumeClaimTemplates {
		v := corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
		}}
		if i, ok := at[claim.Name]; ok {
			pods.Volumes[i] = v
			continue
		}
		at[claim.Name] = len(pods.Volumes)
		pods.Volumes = append(pods.Volumes, v)
	}
	return &view
}

func createStatefulSet(s *appsv1.StatefulSet, p *problems) {
	if s.Spec.ServiceName != "" {
		p.each(spec.Child("serviceName"), s.Spec.ServiceName, validation.IsDNS1123Label(s.Spec.ServiceName))
	}
}

// updateStatefulSet lets change what its controller can follow.
func updateStatefulSet(s, old *appsv1.StatefulSet, p *problems) {
	now, before := s.Spec, &old.Spec
	now.Replicas, now.Template, now.UpdateStrategy = before.Replicas, before.Template, before.UpdateStrategy
	now.MinReadySeconds, now.Ordinals, now.RevisionHistoryLimit = before.MinReadySeconds, before.Ordinals, before.RevisionHistoryLimit
	now.PersistentVolumeClaimRetentionPolicy = before.PersistentVolumeClaimRetentionPolicy
	if !apiequality.Semantic.DeepEqual(&now, before) {
		p.forbidden(spec, "may not change, but for `replicas`, `ordinals`, `template`, `updateStrategy`, `revisionHistoryLimit`, `persistentVolumeClaimRetentionPolicy` and `minReadySeconds`"+differing(&now, before))
	}
}

func controllerRevision(r *appsv1.ControllerRevision, p *problems) {
	if r.Revision < 0 {
		p.invalid(field.NewPath("revision"), r.Revision, "must be greater than or equal to 0")
	}
}

func createControllerRevision(r *appsv1.ControllerRevision, p *problems) {
	var value any
	switch err := json.Unmarshal(r.Data.Raw, &value); {
	case r.Data.Raw == nil || err == nil && value == nil:
		p.required(data, "")
	case err != nil:
		p.invalid(data, "<value omitted>", "must be JSON")
	default:
		if _, ok := value.(map[string]any); !ok {
			p.required(data, "must be a JSON object")
		}
	}
}

// counters refuses negative numbers in a status, and more pods of some sort than
// there are pods.
func counters(all int32, counts []counter, p *problems) {
	for _, c := range counts {
		at := status.Child(c.name)
		if c.n < 0 {
			p.invalid(at, c.n, "must be greater than or equal to 0")
		}
		if c.part && c.n > int64(all) {
			p.invalid(at, c.n, "must be less than or equal to `status.replicas`")
		}
	}
}

type counter struct {
	name string
	n    int64
	part bool
}

// collisions checks that a count of collisions does not fall: names would be
// used again.
func collisions(now, before *int32, p *problems) {
	if before != nil && (now == nil || *now < *before) {
		p.invalid(status.Child("collisionCount"), now, "must not become less")
	}
}

func deploymentStatus(d, old *appsv1.Deployment, p *problems) {
	s := d.Status
	counters(s.Replicas, []counter{
		{"observedGeneration", s.ObservedGeneration, false}, {"replicas", int64(s.Replicas), false}, {"updatedReplicas", int64(s.UpdatedReplicas), true},
		{"readyReplicas", int64(s.ReadyReplicas), true}, {"availableReplicas", int64(s.AvailableReplicas), true}, {"unavailableReplicas", int64(s.UnavailableReplicas), false},
	}, p)
	available(s.AvailableReplicas, s.ReadyReplicas, p)
	collisions(s.CollisionCount, old.Status.CollisionCount, p)
}

func available(available, ready int32, p *problems) {
	if available > ready {
		p.invalid(status.Child("availableReplicas"), available, "must be less than or equal to `status.readyReplicas`")
	}
}

func replicaSetStatus(r, _ *appsv1.ReplicaSet, p *problems) {
	s := r.Status
	counters(s.Replicas, []counter{
		{"observedGeneration", s.ObservedGeneration, false}, {"replicas", int64(s.Replicas), false}, {"fullyLabeledReplicas", int64(s.FullyLabeledReplicas), true},
		{"readyReplicas", int64(s.ReadyReplicas), true}, {"availableReplicas", int64(s.AvailableReplicas), true},
	}, p)
	available(s.AvailableReplicas, s.ReadyReplicas, p)
}

func replicationControllerStatus(r, _ *corev1.ReplicationController, p *problems) {
	s := r.Status
	counters(s.Replicas, []counter{
		{"observedGeneration", s.ObservedGeneration, false}, {"replicas", int64(s.Replicas), false}, {"fullyLabeledReplicas", int64(s.FullyLabeledReplicas), true},
		{"readyReplicas", int64(s.ReadyReplicas), true}, {"availableReplicas", int64(s.AvailableReplicas), true},
	}, p)
	available(s.AvailableReplicas, s.ReadyReplicas, p)
}

func statefulSetStatus(r, old *appsv1.StatefulSet, p *problems) {
	s := r.Status
	counters(s.Replicas, []counter{
		{"observedGeneration", s.ObservedGeneration, false}, {"replicas", int64(s.Replicas), false}, {"readyReplicas", int64(s.ReadyReplicas), true},
		{"currentReplicas", int64(s.CurrentReplicas), true}, {"updatedReplicas", int64(s.UpdatedReplicas), true}, {"availableReplicas", int64(s.AvailableReplicas), true},
	}, p)
	available(s.AvailableReplicas, s.ReadyReplicas, p)
	collisions(s.CollisionCount, old.Status.CollisionCount, p)
}

func daemonSetStatus(d, old *appsv1.DaemonSet, p *problems) {
	s := d.Status
	counters(0, []counter{
		{"observedGeneration", s.ObservedGeneration, false}, {"currentNumberScheduled", int64(s.CurrentNumberScheduled), false},
		{"numberMisscheduled", int64(s.NumberMisscheduled), false}, {"desiredNumberScheduled", int64(s.DesiredNumberScheduled), false},
		{"numberReady", int64(s.NumberReady), false}, {"updatedNumberScheduled", int64(s.UpdatedNumberScheduled), false},
		{"numberAvailable", int64(s.NumberAvailable), false}, {"numberUnavailable", int64(s.NumberUnavailable), false},
	}, p)
	collisions(s.CollisionCount, old.Status.CollisionCount, p)
}
