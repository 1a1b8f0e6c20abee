// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

var (
	specPath       = field.NewPath("spec")
	policyPath     = specPath.Child("ipFamilyPolicy")
	familiesPath   = specPath.Child("ipFamilies")
	clusterIPsPath = specPath.Child("clusterIPs")
)

// setFamilies sets policy and families that a client has left out, and says what
// of them the pool cannot do. Afterwards there is a family for each address.
func (a *Allocator) setFamilies(service, old *corev1.Service) error {
	if !needsAddress(service) || staysPreferred(service, old) {
		return nil
	}
	setPolicy(service, old)
	if errs := malformed(&service.Spec); len(errs) > 0 {
		return invalid(service, errs)
	}
	if errs := singleOrDual(service, old); len(errs) > 0 {
		return invalid(service, errs)
	}
	known := a.knownFamilies()
	if errs := inferFamilies(&service.Spec, known); len(errs) > 0 {
		return invalid(service, errs)
	}
	if errs := completeFamilies(service, known); len(errs) > 0 {
		return invalid(service, errs)
	}
	return nil
}

// staysPreferred tells Services that would like two families and took what there
// was. They get another only when their families or addresses are changed.
func staysPreferred(service, old *corev1.Service) bool {
	if old == nil || old.Spec.Type != service.Spec.Type {
		return false
	}
	preferred := corev1.IPFamilyPolicyPreferDualStack
	return policyOf(service) == preferred && (old.Spec.IPFamilyPolicy == nil || policyOf(old) == preferred) &&
		slices.Equal(service.Spec.ClusterIPs, old.Spec.ClusterIPs) && slices.Equal(service.Spec.IPFamilies, old.Spec.IPFamilies)
}

func policyOf(service *corev1.Service) corev1.IPFamilyPolicy {
	return ptr.Deref(service.Spec.IPFamilyPolicy, "")
}

// setPolicy sets a policy that was left out: an update keeps what there was.
func setPolicy(service, old *corev1.Service) {
	if service.Spec.IPFamilyPolicy != nil {
		return
	}
	policy := corev1.IPFamilyPolicySingleStack
	switch {
	case old != nil && old.Spec.IPFamilyPolicy != nil:
		policy = *old.Spec.IPFamilyPolicy
	case takesAnyFamily(service):
		policy = corev1.IPFamilyPolicyRequireDualStack
	}
	service.Spec.IPFamilyPolicy = &policy
}

// takesAnyFamily tells Services whose endpoints somebody else writes, of whatever
// family, and which have no address.
func takesAnyFamily(service *corev1.Service) bool {
	return isHeadless(service) && len(service.Spec.Selector) == 0
}

// malformed says what keeps the rest from being understood. Validation repeats it
// and says more.
func malformed(spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	switch policy := *spec.IPFamilyPolicy; policy {
	case corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack:
	default:
		errs = append(errs, field.NotSupported(policyPath, policy, []corev1.IPFamilyPolicy{
			corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack,
		}))
	}
	for i, family := range spec.IPFamilies {
		if family != corev1.IPv4Protocol && family != corev1.IPv6Protocol {
			errs = append(errs, field.NotSupported(familiesPath.Index(i), family, []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}))
		} else if slices.Contains(spec.IPFamilies[:i], family) {
			errs = append(errs, field.Duplicate(familiesPath.Index(i), family))
		}
	}
	if len(spec.ClusterIPs) > 0 && spec.ClusterIPs[0] != spec.ClusterIP {
		errs = append(errs, field.Invalid(clusterIPsPath, spec.ClusterIPs, "must begin with the value of `clusterIP`"))
	}
	if len(spec.ClusterIPs) > 2 {
		return append(errs, field.TooMany(clusterIPsPath, len(spec.ClusterIPs), 2))
	}
	if len(spec.ClusterIPs) == 1 && spec.ClusterIPs[0] == corev1.ClusterIPNone {
		return errs
	}
	return append(errs, malformedAddresses(spec)...)
}

func malformedAddresses(spec *corev1.ServiceSpec) field.ErrorList {
	var errs field.ErrorList
	var families []corev1.IPFamily
	for i, ip := range spec.ClusterIPs {
		addr, ok := parseAddr(ip)
		if !ok {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ip, "must be a valid IP address, or 'None' as the only value"))
			continue
		}
		family := familyOf(addr)
		if slices.Contains(families, family) {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ip, "may not be of the same family as the first address"))
		}
		if i < len(spec.IPFamilies) && spec.IPFamilies[i] != family {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ip, fmt.Sprintf("must be of the family in `ipFamilies[%d]`", i)))
		}
		families = append(families, family)
	}
	return errs
}

// singleOrDual checks the number of addresses and families against the policy,
// and drops the second of each when an update asks for one by the policy alone.
func singleOrDual(service, old *corev1.Service) field.ErrorList {
	spec := &service.Spec
	var errs field.ErrorList
	single := *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack
	if old != nil && single {
		spec.ClusterIPs = firstIfSame(spec.ClusterIPs, old.Spec.ClusterIPs)
		spec.IPFamilies = firstIfSame(spec.IPFamilies, old.Spec.IPFamilies)
	}
	if old != nil && !single {
		if n := len(spec.ClusterIPs); n > 0 && n < len(old.Spec.ClusterIPs) {
			errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'SingleStack' to release the second ClusterIP"))
		}
		if n := len(spec.IPFamilies); n > 0 && n < len(old.Spec.IPFamilies) {
			errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'SingleStack' to release the second family"))
		}
	}
	if single && len(spec.ClusterIPs) > 1 {
		errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'PreferDualStack' or 'RequireDualStack' for two ClusterIPs"))
	}
	if single && len(spec.IPFamilies) > 1 {
		errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'PreferDualStack' or 'RequireDualStack' for two families"))
	}
	return errs
}

func firstIfSame[T comparable](list, before []T) []T {
	if len(list) > 1 && slices.Equal(list, before) {
		return list[:1:1]
	}
	return list
}

// inferFamilies adds the families of addresses that are asked for.
func inferFamilies(spec *corev1.ServiceSpec, known []corev1.IPFamily) field.ErrorList {
	var errs field.ErrorList
	for i, ip := range spec.ClusterIPs {
		addr, ok := parseAddr(ip)
		if !ok || i < len(spec.IPFamilies) {
			continue // None, or a family is given
		}
		if family := familyOf(addr); slices.Contains(known, family) {
			spec.IPFamilies = append(slices.Clip(spec.IPFamilies), family)
		} else {
			errs = append(errs, field.Invalid(clusterIPsPath.Index(i), ip, fmt.Sprintf("the pool has no addresses of the family %s", family)))
		}
	}
	return errs
}

// completeFamilies adds the families that policy and pool ask for.
func completeFamilies(service *corev1.Service, known []corev1.IPFamily) field.ErrorList {
	spec := &service.Spec
	dual := *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack
	anyFamily := takesAnyFamily(service)
	var errs field.ErrorList
	if !anyFamily {
		if *spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack && len(known) < 2 {
			errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "the pool has addresses of one family only"))
		}
		for i, family := range spec.IPFamilies {
			if !slices.Contains(known, family) {
				errs = append(errs, field.Invalid(familiesPath.Index(i), family, "the pool has no addresses of this family"))
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{known[0]}
	}
	if dual && len(spec.IPFamilies) == 1 && (anyFamily || len(known) == 2) {
		spec.IPFamilies = append(slices.Clip(spec.IPFamilies), otherFamily(spec.IPFamilies[0]))
	}
	return nil
}

func invalid(service *corev1.Service, errs field.ErrorList) error {
	return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), service.Name, errs)
}
