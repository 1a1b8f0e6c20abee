// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	unversioned "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// schedulingRules are for what says where pods may run.
func schedulingRules() []rule {
	return []rule{
		whole(func(s *metav1.LabelSelector, at *field.Path, p *problems) {
			p.add(unversioned.ValidateLabelSelector(s, unversioned.LabelSelectorValidationOptions{}, at)...)
		}),
		of[corev1.NodeSelector](f("nodeSelectorTerms", required)),
		whole(nodeSelectorTerm),
		of[corev1.PreferredSchedulingTerm](f("weight", between(1, 100))),
		of[corev1.WeightedPodAffinityTerm](f("weight", between(1, 100))),
		also(of[corev1.PodAffinityTerm](f("topologyKey", required, qualifiedName), f("namespaces", dnsLabel)), podAffinityTerm),
		whole(toleration),
		also(of[corev1.TopologySpreadConstraint](
			f("maxSkew", positive), f("minDomains", positive), f("topologyKey", required), f("whenUnsatisfiable", required),
		), func(c *corev1.TopologySpreadConstraint, at *field.Path, p *problems) {
			if c.MinDomains != nil && c.WhenUnsatisfiable != corev1.DoNotSchedule {
				p.invalid(at.Child("minDomains"), *c.MinDomains, "may only be specified when `whenUnsatisfiable` is 'DoNotSchedule'")
			}
			labelKeys(c.MatchLabelKeys, c.LabelSelector, at.Child("matchLabelKeys"), p)
		}),
		of[corev1.TopologySelectorTerm](f("matchLabelExpressions", uniqueBy("Key"))),
		of[corev1.TopologySelectorLabelRequirement](f("key", labelKey), f("values", required, uniqueBy())),
	}
}

// nodeSelectorTerm checks what selects nodes by their labels or their name.
func nodeSelectorTerm(t *corev1.NodeSelectorTerm, at *field.Path, p *problems) {
	for i, r := range t.MatchExpressions {
		at := at.Child("matchExpressions").Index(i)
		switch values := at.Child("values"); r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			if len(r.Values) == 0 {
				p.required(values, "must be specified when `operator` is 'In' or 'NotIn'")
			}
		case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
			if len(r.Values) > 0 {
				p.forbidden(values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
			}
		case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
			if len(r.Values) != 1 {
				p.required(values, "must be a single value when `operator` is 'Lt' or 'Gt'")
			}
		case "":
			p.required(at.Child("operator"), "")
		}
		p.add(unversioned.ValidateLabelName(r.Key, at.Child("key"))...)
		for j, value := range r.Values {
			p.each(at.Child("values").Index(j), value, validation.IsValidLabelValue(value))
		}
	}
	for i, r := range t.MatchFields {
		at := at.Child("matchFields").Index(i)
		if r.Key != metav1.ObjectNameField {
			p.invalid(at.Child("key"), r.Key, "must be metadata.name")
		}
		listed(p, at.Child("operator"), r.Operator, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn)
		if len(r.Values) != 1 {
			p.required(at.Child("values"), "must be a single value")
		}
		for j, value := range r.Values {
			p.each(at.Child("values").Index(j), value, validation.IsDNS1123Subdomain(value))
		}
	}
}

func podAffinityTerm(t *corev1.PodAffinityTerm, at *field.Path, p *problems) {
	labelKeys(t.MatchLabelKeys, t.LabelSelector, at.Child("matchLabelKeys"), p)
	labelKeys(t.MismatchLabelKeys, t.LabelSelector, at.Child("mismatchLabelKeys"), p)
	mismatch := sets.New(t.MismatchLabelKeys...)
	for i, key := range t.MatchLabelKeys {
		if mismatch.Has(key) {
			p.invalid(at.Child("matchLabelKeys").Index(i), key, "must not be in `mismatchLabelKeys` as well")
		}
	}
}

// labelKeys checks keys that a new pod's labels are looked up by, to be added to
// the selector.
func labelKeys(keys []string, selector *metav1.LabelSelector, at *field.Path, p *problems) {
	if len(keys) > 0 && selector == nil {
		p.forbidden(at, "may only be specified when `labelSelector` is")
		return
	}
	for i, key := range keys {
		p.add(unversioned.ValidateLabelName(key, at.Index(i))...)
	}
}

func toleration(t *corev1.Toleration, at *field.Path, p *problems) {
	if t.Key != "" {
		p.add(unversioned.ValidateLabelName(t.Key, at.Child("key"))...)
	} else if t.Operator != corev1.TolerationOpExists {
		p.invalid(at.Child("operator"), t.Operator, "must be 'Exists' when `key` is empty")
	}
	if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
		p.invalid(at.Child("effect"), t.Effect, "must be 'NoExecute' when `tolerationSeconds` is specified")
	}
	switch t.Operator {
	case corev1.TolerationOpEqual, "":
		p.each(at.Child("operator"), t.Value, validation.IsValidLabelValue(t.Value))
	case corev1.TolerationOpExists:
		if t.Value != "" {
			p.invalid(at.Child("operator"), t.Value, "may not have a `value` when it is 'Exists'")
		}
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		listed(p, at.Child("operator"), t.Operator, corev1.TolerationOpEqual, corev1.TolerationOpExists)
	}
}

// taints checks what keeps pods off a node, or off a device's.
func taints(list []corev1.Taint, at *field.Path, p *problems) {
	seen := sets.New[string]()
	for i, t := range list {
		at := at.Index(i)
		p.add(unversioned.ValidateLabelName(t.Key, at.Child("key"))...)
		p.each(at.Child("value"), t.Value, validation.IsValidLabelValue(t.Value))
		if t.Effect == "" {
			p.required(at.Child("effect"), "")
		}
		key := fmt.Sprintf("%s:%s", t.Key, t.Effect)
		if seen.Has(key) {
			p.duplicate(at, key)
		}
		seen.Insert(key)
	}
}
