// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// quotaRules are for limits of namespaces.
func quotaRules() []rule {
	return []rule{
		of[corev1.LimitRangeSpec](f("limits", uniqueBy("Type"))),
		also(of[corev1.LimitRangeItem](f("type", required)), limitRangeItem),
		whole(resourceQuotaSpec),
		also(of[corev1.ScopedResourceSelectorRequirement](f("operator", required)), scopeRequirement),
	}
}

var limitTypes = []corev1.LimitType{corev1.LimitTypePod, corev1.LimitTypeContainer, corev1.LimitTypePersistentVolumeClaim}

// limitRangeItem checks that some amount of each resource meets all limits.
func limitRangeItem(item *corev1.LimitRangeItem, at *field.Path, p *problems) {
	if item.Type != "" {
		if wrong := validation.IsQualifiedName(string(item.Type)); len(wrong) > 0 {
			p.each(at.Child("type"), item.Type, wrong)
		} else if !strings.Contains(string(item.Type), "/") && !slices.Contains(limitTypes, item.Type) {
			p.invalid(at.Child("type"), item.Type, "must be a standard type or have a domain")
		}
	}
	name := anyResourceName
	switch item.Type {
	case corev1.LimitTypePod:
		name = containerResourceName
		p.forbidEach(at, "may not be specified when `type` is 'Pod'", specified{
			{"default", len(item.Default) > 0}, {"defaultRequest", len(item.DefaultRequest) > 0},
		})
	case corev1.LimitTypeContainer:
		name = containerResourceName
	case corev1.LimitTypePersistentVolumeClaim:
		_, low := item.Min[corev1.ResourceStorage]
		_, high := item.Max[corev1.ResourceStorage]
		if !low && !high {
			p.required(at.Child("limits"), "must limit storage by `min` or `max`")
		}
	}
	resources := sets.New[corev1.ResourceName]()
	for _, list := range []struct {
		name string
		of   corev1.ResourceList
	}{{"min", item.Min}, {"max", item.Max}, {"default", item.Default}, {"defaultRequest", item.DefaultRequest}, {"maxLimitRequestRatio", item.MaxLimitRequestRatio}} {
		for _, n := range slices.Sorted(maps.Keys(list.of)) {
			name(n, at.Child(list.name).Key(string(n)), p)
			resources.Insert(n)
		}
	}
	for _, n := range sets.List(resources) {
		limitOrder(item, n, at, p)
	}
}

func limitOrder(item *corev1.LimitRangeItem, n corev1.ResourceName, at *field.Path, p *problems) {
	// Each must be at most the next that is there: min, defaultRequest, default,
	// max.
	order := []struct {
		name string
		of   corev1.ResourceList
	}{{"min", item.Min}, {"defaultRequest", item.DefaultRequest}, {"default", item.Default}, {"max", item.Max}}
	for i, low := range order {
		for _, high := range order[i+1:] {
			a, ok := low.of[n]
			b, both := high.of[n]
			if !ok || !both || a.Cmp(b) <= 0 {
				continue
			}
			// What is between the limits is wrong, not the limits.
			wrong, value := low.name, a
			if low.name == "min" && high.name != "max" {
				wrong, value = high.name, b
			}
			p.invalid(at.Child(wrong).Key(string(n)), value.String(), fmt.Sprintf("must fit: `%s` is %s and `%s` is %s", low.name, a.String(), high.name, b.String()))
		}
	}
	if limit, ok := item.Default[n]; ok && (hugePages(n) || !native(n)) {
		if request, ok := item.DefaultRequest[n]; ok && request.Cmp(limit) != 0 {
			p.invalid(at.Child("defaultRequest").Key(string(n)), request.String(), "must be equal to `default`, as the resource cannot be overcommitted")
		}
	}
	ratio, ok := item.MaxLimitRequestRatio[n]
	if !ok {
		return
	}
	at = at.Child("maxLimitRequestRatio").Key(string(n))
	if ratio.Cmp(*resource.NewQuantity(1, resource.DecimalSI)) < 0 {
		p.invalid(at, ratio.String(), "must be greater than or equal to 1")
	}
	low, lowOK := item.Min[n]
	high, highOK := item.Max[n]
	if lowOK && highOK && low.Sign() != 0 && ratio.AsApproximateFloat64() > high.AsApproximateFloat64()/low.AsApproximateFloat64() {
		p.invalid(at, ratio.String(), "must be less than or equal to `max` divided by `min`")
	}
}

func quotaResourceName(n corev1.ResourceName, at *field.Path, p *problems) {
	resourceName(n, func(n corev1.ResourceName) bool { return standardResource(n) && n != corev1.ResourceStorage }, at, p)
}

// resourceList checks the names and amounts of a quota.
func resourceList(list corev1.ResourceList, at *field.Path, p *problems) {
	for _, n := range slices.Sorted(maps.Keys(list)) {
		quotaResourceName(n, at.Key(string(n)), p)
		amount(n, list[n], at.Key(string(n)), p)
	}
}

func resourceQuotaSpec(s *corev1.ResourceQuotaSpec, at *field.Path, p *problems) {
	resourceList(s.Hard, at.Child("hard"), p)
	scopes(s.Scopes, s.Hard, at.Child("scopes"), p)
	if s.ScopeSelector == nil {
		return
	}
	selected := make([]corev1.ResourceQuotaScope, 0, len(s.ScopeSelector.MatchExpressions))
	for _, r := range s.ScopeSelector.MatchExpressions {
		selected = append(selected, r.ScopeName)
	}
	scopes(selected, s.Hard, at.Child("scopeSelector", "matchExpressions"), p)
}

// scopes checks that what is counted can be in all of the scopes.
func scopes(list []corev1.ResourceQuotaScope, hard corev1.ResourceList, at *field.Path, p *problems) {
	all := sets.New(list...)
	for _, pair := range [][]corev1.ResourceQuotaScope{
		{corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort},
		{corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating},
	} {
		if all.HasAll(pair...) {
			p.invalid(at, list, fmt.Sprintf("may not be both %s and %s", pair[0], pair[1]))
		}
	}
	for _, scope := range sets.List(all) {
		for _, n := range slices.Sorted(maps.Keys(hard)) {
			if standardResource(n) && !inScope(scope, n) {
				p.invalid(at, scope, fmt.Sprintf("may not be the scope of %s", n))
			}
		}
	}
}

// inScope tells whether a scope has a resource of that name. Those that are not
// known are refused elsewhere.
func inScope(scope corev1.ResourceQuotaScope, n corev1.ResourceName) bool {
	compute := computeResources.Has(n) || slices.Contains([]corev1.ResourceName{
		corev1.ResourcePods, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsEphemeralStorage,
		corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage,
	}, n)
	switch scope {
	case corev1.ResourceQuotaScopeBestEffort:
		return n == corev1.ResourcePods
	case corev1.ResourceQuotaScopeVolumeAttributesClass:
		return n == corev1.ResourcePersistentVolumeClaims || n == corev1.ResourceRequestsStorage
	case corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeNotBestEffort,
		corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return compute
	}
	return true
}

func scopeRequirement(r *corev1.ScopedResourceSelectorRequirement, at *field.Path, p *problems) {
	switch r.ScopeName {
	case "":
		p.required(at.Child("scopeName"), "")
	case corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeVolumeAttributesClass:
	default:
		if r.Operator != corev1.ScopeSelectorOpExists {
			p.invalid(at.Child("operator"), r.Operator, "must be 'Exists' for this scope")
		}
	}
	switch r.Operator {
	case corev1.ScopeSelectorOpIn, corev1.ScopeSelectorOpNotIn:
		if len(r.Values) == 0 {
			p.required(at.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
		}
	case corev1.ScopeSelectorOpExists, corev1.ScopeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			p.invalid(at.Child("values"), len(r.Values), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
		}
	}
}

func updateResourceQuota(q, old *corev1.ResourceQuota, p *problems) {
	if !sets.New(q.Spec.Scopes...).Equal(sets.New(old.Spec.Scopes...)) {
		p.invalid(spec.Child("scopes"), q.Spec.Scopes, "field is immutable")
	}
}

func resourceQuotaStatus(q, _ *corev1.ResourceQuota, p *problems) {
	resourceList(q.Status.Hard, status.Child("hard"), p)
	resourceList(q.Status.Used, status.Child("used"), p)
}
