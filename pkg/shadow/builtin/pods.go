// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

var podHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.QOSClass = qosClass(p)
		if len(p.Spec.SchedulingGates) > 0 {
			setPodCondition(&p.Status, corev1.PodCondition{
				Type:    corev1.PodScheduled,
				Status:  corev1.ConditionFalse,
				Reason:  corev1.PodReasonSchedulingGated,
				Message: "Scheduling is blocked due to non-empty scheduling gates",
			})
		}
		mergeLabelKeys(p)
		readAppArmorAnnotations(p)
	}),
	PrepareForStatusUpdate: onUpdate(preparePodStatus),
	CheckGracefulDelete:    checkGracefulDelete,
}

// preparePodStatus keeps what a kubelet may not know: owners, which it has been
// known to corrupt, and what newer parts of the status say.
func preparePodStatus(_ context.Context, p, old *corev1.Pod) {
	p.DeletionTimestamp = nil // the old one comes back, if there is one
	p.OwnerReferences = old.OwnerReferences
	if p.Status.QOSClass == "" {
		p.Status.QOSClass = old.Status.QOSClass
	}
	if p.Status.ObservedGeneration == 0 {
		p.Status.ObservedGeneration = old.Status.ObservedGeneration
	}
	// A type may occur several times, which are told apart by their order.
	known := map[corev1.PodConditionType][]int64{}
	for _, c := range old.Status.Conditions {
		known[c.Type] = append(known[c.Type], c.ObservedGeneration)
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		if before := known[c.Type]; len(before) > 0 {
			known[c.Type] = before[1:]
			if c.ObservedGeneration == 0 {
				c.ObservedGeneration = before[0]
			}
		}
	}
}

// setPodCondition adds a condition or replaces the one of its type.
func setPodCondition(status *corev1.PodStatus, condition corev1.PodCondition) {
	condition.LastTransitionTime = metav1.Now()
	i := slices.IndexFunc(status.Conditions, func(c corev1.PodCondition) bool { return c.Type == condition.Type })
	if i < 0 {
		status.Conditions = append(status.Conditions, condition)
		return
	}
	if status.Conditions[i].Status == condition.Status {
		condition.LastTransitionTime = status.Conditions[i].LastTransitionTime
	}
	status.Conditions[i] = condition
}

// mergeLabelKeys puts the values that matchLabelKeys and mismatchLabelKeys stand
// for into the selectors beside them.
func mergeLabelKeys(p *corev1.Pod) {
	merge := func(selector *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator) {
		if selector == nil {
			return // which selects nothing, and is to go on so
		}
		for _, key := range keys {
			if value, ok := p.Labels[key]; ok {
				selector.MatchExpressions = append(selector.MatchExpressions,
					metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
			}
		}
	}
	term := func(t *corev1.PodAffinityTerm) {
		merge(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn)
		merge(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
	}
	terms := func(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
		for i := range preferred {
			term(&preferred[i].PodAffinityTerm)
		}
		for i := range required {
			term(&required[i])
		}
	}
	if a := p.Spec.Affinity; a != nil {
		if a.PodAffinity != nil {
			terms(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if a.PodAntiAffinity != nil {
			terms(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	for i := range p.Spec.TopologySpreadConstraints {
		c := &p.Spec.TopologySpreadConstraints[i]
		merge(c.LabelSelector, c.MatchLabelKeys, metav1.LabelSelectorOpIn)
	}
}

// readAppArmorAnnotations sets the profiles of containers that annotations name,
// as was done before there were fields: kubelets read the fields alone.
func readAppArmorAnnotations(p *corev1.Pod) {
	if p.Spec.OS != nil && p.Spec.OS.Name == corev1.Windows {
		return
	}
	var inherited *corev1.AppArmorProfile
	if s := p.Spec.SecurityContext; s != nil {
		inherited = s.AppArmorProfile
	}
	set := func(name string, security **corev1.SecurityContext) {
		profile := appArmorProfile(p.Annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+name])
		if profile == nil || *security != nil && (*security).AppArmorProfile != nil || equality.Semantic.DeepEqual(profile, inherited) {
			return
		}
		if *security == nil {
			*security = &corev1.SecurityContext{}
		}
		(*security).AppArmorProfile = profile
	}
	for i := range p.Spec.InitContainers {
		set(p.Spec.InitContainers[i].Name, &p.Spec.InitContainers[i].SecurityContext)
	}
	for i := range p.Spec.Containers {
		set(p.Spec.Containers[i].Name, &p.Spec.Containers[i].SecurityContext)
	}
}

// appArmorProfile reads an annotation. What it does not understand is nil.
func appArmorProfile(annotation string) *corev1.AppArmorProfile {
	switch annotation {
	case corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	case corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	}
	name, ok := strings.CutPrefix(annotation, corev1.DeprecatedAppArmorBetaProfileNamePrefix)
	if !ok || name == "" || name != strings.TrimSpace(name) {
		return nil
	}
	return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &name}
}

// checkGracefulDelete leaves a pod that runs to its kubelet, which deletes it for
// good when its containers have ended.
func checkGracefulDelete(_ context.Context, obj runtime.Object, options *metav1.DeleteOptions) bool {
	if options == nil {
		return false
	}
	pod := obj.(*corev1.Pod)
	var seconds int64
	switch {
	case pod.Spec.NodeName == "", pod.Status.Phase == corev1.PodFailed, pod.Status.Phase == corev1.PodSucceeded:
	case options.GracePeriodSeconds != nil:
		seconds = *options.GracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		seconds = *pod.Spec.TerminationGracePeriodSeconds
	}
	if seconds < 0 {
		seconds = 1
	}
	options.GracePeriodSeconds = &seconds
	return true
}

// qosClass tells how well a pod is guarded from a lack of memory: Guaranteed if
// all its containers have limits of cpu and memory and ask for no less, BestEffort
// if none asks for anything.
func qosClass(pod *corev1.Pod) corev1.PodQOSClass {
	demands := make([]corev1.ResourceRequirements, 0, len(pod.Spec.InitContainers)+len(pod.Spec.Containers))
	if r := pod.Spec.Resources; r != nil {
		demands = append(demands, *r)
	} else {
		for _, c := range pod.Spec.InitContainers {
			demands = append(demands, c.Resources)
		}
		for _, c := range pod.Spec.Containers {
			demands = append(demands, c.Resources)
		}
	}
	any, all := false, true
	for _, d := range demands {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := d.Requests[name], d.Limits[name]
			any = any || !request.IsZero() || !limit.IsZero()
			all = all && !limit.IsZero() && request.Cmp(limit) == 0
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case all:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}
