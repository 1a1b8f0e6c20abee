// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// maxUserPriority is that of classes that are not the system's.
	maxUserPriority      = 1_000_000_000
	systemPriority       = 2_000_000_000
	systemPriorityPrefix = "system-"
)

// clusterRules are for small kinds that concern whole machines, and for what is sent
// to subresources.
func clusterRules() []rule {
	return []rule{
		also(of[coordinationv1.LeaseSpec](f("leaseDurationSeconds", positive), f("leaseTransitions", nonNegative)),
			func(s *coordinationv1.LeaseSpec, at *field.Path, p *problems) {
				if s.PreferredHolder != nil && *s.PreferredHolder != "" && (s.Strategy == nil || *s.Strategy == "") {
					p.forbidden(at.Child("preferredHolder"), "may only be specified when `strategy` is")
				}
				if s.Strategy == nil {
					return
				}
				if strings.Contains(string(*s.Strategy), "/") {
					p.each(at.Child("strategy"), *s.Strategy, validation.IsQualifiedName(string(*s.Strategy)))
				} else {
					listed(p, at.Child("strategy"), *s.Strategy, coordinationv1.OldestEmulationVersion)
				}
			}),
		also(of[policyv1.PodDisruptionBudgetSpec](f("minAvailable", intOrPercent, atMostAll), f("maxUnavailable", intOrPercent, atMostAll)),
			func(s *policyv1.PodDisruptionBudgetSpec, at *field.Path, p *problems) {
				if s.MinAvailable != nil && s.MaxUnavailable != nil {
					p.invalid(at, "", "may not specify both `minAvailable` and `maxUnavailable`")
				}
			}),
		of[nodev1.Scheduling](f("nodeSelector", labelMap)),
		of[autoscalingv1.ScaleSpec](f("replicas", nonNegative)),
		of[authenticationv1.TokenRequestSpec](f("expirationSeconds", between(minTokenSeconds, maxTokenSeconds))),
		whole(func(b *corev1.Binding, at *field.Path, p *problems) {
			if b.Target.Kind != "" {
				listed(p, at.Child("target", "kind"), b.Target.Kind, "Node")
			}
			if b.Target.Name == "" {
				p.required(at.Child("target", "name"), "")
			} else {
				p.each(at.Child("target", "name"), b.Target.Name, validation.IsDNS1123Subdomain(b.Target.Name))
			}
		}),
	}
}

func budgetStatus(b, _ *policyv1.PodDisruptionBudget, p *problems) {
	s := b.Status
	p.add(unversioned.ValidateConditions(s.Conditions, status.Child("conditions"))...)
	counters(0, []counter{
		{"disruptionsAllowed", int64(s.DisruptionsAllowed), false}, {"currentHealthy", int64(s.CurrentHealthy), false},
		{"desiredHealthy", int64(s.DesiredHealthy), false}, {"expectedPods", int64(s.ExpectedPods), false},
	}, p)
}

func priorityClass(c *schedulingv1.PriorityClass, p *problems) {
	if !strings.HasPrefix(c.Name, systemPriorityPrefix) {
		if c.Value > maxUserPriority {
			p.forbidden(field.NewPath("value"), "may not be above 1000000000 for classes that are not the system's")
		}
		return
	}
	// The system's own have these values.
	known := c.Name == "system-node-critical" && c.Value == systemPriority+1000 || c.Name == "system-cluster-critical" && c.Value == systemPriority
	if !known || c.GlobalDefault {
		p.forbidden(field.NewPath("metadata", "name"), "may only begin with system- for the system's own classes")
	}
}

func updatePriorityClass(c, old *schedulingv1.PriorityClass, p *problems) {
	if c.Value != old.Value {
		p.forbidden(field.NewPath("value"), "field is immutable")
	}
	unchanged(p, field.NewPath("preemptionPolicy"), c.PreemptionPolicy, old.PreemptionPolicy)
}

// runtimeClass checks classes. Their handler is a name that container runtimes
// look up.
func runtimeClass(c *nodev1.RuntimeClass, p *problems) {
	if at := field.NewPath("handler"); c.Handler == "" {
		p.required(at, "")
	} else {
		p.each(at, c.Handler, validation.IsDNS1123Label(c.Handler))
	}
	if c.Overhead != nil {
		requirements(&corev1.ResourceRequirements{Limits: c.Overhead.PodFixed}, containerResourceName, field.NewPath("overhead"), p)
	}
	if c.Scheduling == nil {
		return
	}
	seen := sets.New[corev1.Toleration]()
	for i, t := range c.Scheduling.Tolerations {
		t.TolerationSeconds = nil
		if seen.Has(t) {
			p.duplicate(field.NewPath("scheduling", "tolerations").Index(i), t.Key)
		}
		seen.Insert(t)
	}
}

func updateRuntimeClass(c, old *nodev1.RuntimeClass, p *problems) {
	unchanged(p, field.NewPath("handler"), c.Handler, old.Handler)
}
