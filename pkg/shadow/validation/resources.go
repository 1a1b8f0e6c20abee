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
	resourcehelper "k8s.io/component-helpers/resource"
)

var (
	// computeResources are those of containers that have no domain, but for huge
	// pages.
	computeResources = sets.New(corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage)
	// countedObjects can be limited by quotas under their own names.
	countedObjects = sets.New(
		corev1.ResourcePods, corev1.ResourceQuotas, corev1.ResourceServices, corev1.ResourceReplicationControllers, corev1.ResourceSecrets,
		corev1.ResourceConfigMaps, corev1.ResourcePersistentVolumeClaims, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers,
	)
	// quotaResources can be limited by quotas beside those.
	quotaResources = sets.New(
		corev1.ResourceStorage, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsStorage,
		corev1.ResourceRequestsEphemeralStorage, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage,
	)
)

func hugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// native resources are Kubernetes' own.
func native(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// extended resources are those that devices offer, in whole pieces.
func extended(name corev1.ResourceName) bool {
	return !native(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// resourceName checks any name; what is standard without a domain is the caller's
// to say.
func resourceName(name corev1.ResourceName, standard func(corev1.ResourceName) bool, at *field.Path, p *problems) {
	if messages := validation.IsQualifiedName(string(name)); len(messages) > 0 {
		p.each(at, string(name), messages)
	} else if !strings.Contains(string(name), "/") && !standard(name) {
		p.invalid(at, string(name), "must be a standard resource or have a domain")
	}
}

func containerResourceName(name corev1.ResourceName, at *field.Path, p *problems) {
	resourceName(name, func(n corev1.ResourceName) bool { return computeResources.Has(n) || hugePages(n) }, at, p)
	if !native(name) && !extended(name) {
		p.invalid(at, string(name), "must be the name of an extended resource")
	}
}

func anyResourceName(name corev1.ResourceName, at *field.Path, p *problems) {
	resourceName(name, standardResource, at, p)
}

func standardResource(n corev1.ResourceName) bool {
	return computeResources.Has(n) || countedObjects.Has(n) || quotaResources.Has(n) || hugePages(n) ||
		strings.HasPrefix(string(n), corev1.ResourceRequestsHugePagesPrefix)
}

// amount checks how much of a resource there is.
func amount(name corev1.ResourceName, q resource.Quantity, at *field.Path, p *problems) {
	nonNegativeQuantity(q, at, p)
	whole := countedObjects.Has(name) || extended(name) || strings.HasPrefix(string(name), "count/")
	if whole && q.MilliValue()%1000 != 0 {
		p.invalid(at, q.String(), "must be an integer")
	}
}

// requirements checks limits and requests.
func requirements(r *corev1.ResourceRequirements, name func(corev1.ResourceName, *field.Path, *problems), at *field.Path, p *problems) {
	for _, list := range []struct {
		name string
		of   corev1.ResourceList
	}{{"limits", r.Limits}, {"requests", r.Requests}} {
		for _, n := range slices.Sorted(maps.Keys(list.of)) {
			q, at := list.of[n], at.Child(list.name).Key(string(n))
			name(n, at, p)
			amount(n, q, at, p)
			if hugePages(n) && !pages(n, q) {
				p.invalid(at, q.String(), "must be a multiple of the page size")
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(r.Requests)) {
		request, overcommit := r.Requests[n], native(n) && !hugePages(n)
		limit, limited := r.Limits[n]
		switch {
		case !limited && !overcommit:
			p.required(at.Child("limits"), fmt.Sprintf("must limit %s, as it cannot be overcommitted", n))
		case limited && !overcommit && request.Cmp(limit) != 0:
			p.invalid(at.Child("requests"), request.String(), fmt.Sprintf("must be equal to %s limit of %s", n, limit.String()))
		case limited && request.Cmp(limit) > 0:
			p.invalid(at.Child("requests"), request.String(), fmt.Sprintf("must be less than or equal to %s limit of %s", n, limit.String()))
		}
	}
	compute := func(list corev1.ResourceList) bool {
		_, cpu := list[corev1.ResourceCPU]
		_, memory := list[corev1.ResourceMemory]
		return cpu || memory
	}
	huge := func(list corev1.ResourceList) bool {
		for n := range list {
			if hugePages(n) {
				return true
			}
		}
		return false
	}
	if (huge(r.Limits) || huge(r.Requests)) && !compute(r.Limits) && !compute(r.Requests) {
		p.forbidden(at, "may not have huge pages without cpu or memory")
	}
}

// pages tells whether a quantity is a number of huge pages.
func pages(name corev1.ResourceName, q resource.Quantity) bool {
	size, err := resource.ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
	return err == nil && size.Sign() > 0 && size.Value() > 0 && size.MilliValue()%1000 == 0 && q.Value()%size.Value() == 0
}

func containerResources(r *corev1.ResourceRequirements, podClaims sets.Set[string], at *field.Path, p *problems) {
	requirements(r, containerResourceName, at, p)
	// A claim is used either as a whole or by its requests, each once.
	seen, whole, parts := sets.New[string](), sets.New[string](), sets.New[string]()
	for i, c := range r.Claims {
		at := at.Child("claims").Index(i)
		if c.Name == "" {
			p.required(at, "")
			continue
		}
		key := c.Name
		if c.Request != "" {
			p.each(at.Child("request"), c.Request, validation.IsDNS1123Label(c.Request))
			key += "/" + c.Request
		}
		if seen.Has(key) || whole.Has(c.Name) || c.Request == "" && parts.Has(c.Name) {
			p.duplicate(at, key)
		}
		seen.Insert(key)
		if c.Request == "" {
			whole.Insert(c.Name)
		} else {
			parts.Insert(c.Name)
		}
		if !podClaims.Has(c.Name) {
			p.notFound(at, c.Name)
		}
	}
}

// podResources checks what a pod has as a whole against what its containers ask
// for.
func podResources(s *corev1.PodSpec, at *field.Path, p *problems) {
	if s.Overhead != nil {
		requirements(&corev1.ResourceRequirements{Limits: s.Overhead}, containerResourceName, at.Child("overhead"), p)
	}
	if s.Resources == nil || s.OS != nil && s.OS.Name == corev1.Windows {
		return
	}
	at = at.Child("resources")
	if s.Resources.Claims != nil {
		p.forbidden(at.Child("claims"), "may not be specified for whole pods")
	}
	requirements(s.Resources, func(n corev1.ResourceName, at *field.Path, p *problems) {
		if !resourcehelper.IsSupportedPodLevelResource(n) {
			p.add(field.NotSupported(at, n, []string{"cpu", "memory", "hugepages-<size>"}))
		}
	}, at, p)
	pod := &corev1.Pod{Spec: *s}
	compare := func(list string, of, containers corev1.ResourceList, only func(corev1.ResourceName) bool) {
		for _, n := range slices.Sorted(maps.Keys(containers)) {
			have, limited := of[n]
			if want := containers[n]; limited && only(n) && want.Cmp(have) > 0 {
				p.invalid(at.Child(list).Key(string(n)), have.String(), "must be greater than or equal to the containers' "+want.String())
			}
		}
	}
	compare("requests", s.Resources.Requests, resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{}), func(corev1.ResourceName) bool { return true })
	compare("limits", s.Resources.Limits, resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{}), hugePages)
	for _, c := range s.Containers {
		compare("limits", s.Resources.Limits, c.Resources.Limits, func(n corev1.ResourceName) bool { return !hugePages(n) })
	}
}
