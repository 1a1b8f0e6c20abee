// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// updatePod checks that of a pod's specification only those fields change that
// kubelets can follow.
func updatePod(pod, old *corev1.Pod, p *problems) {
	keptAnnotations(pod, old, p)
	if !sameLength(pod, old, p) {
		return
	}
	switch now, before := pod.Spec.ActiveDeadlineSeconds, old.Spec.ActiveDeadlineSeconds; {
	case before == nil:
	case now == nil:
		p.invalid(spec.Child("activeDeadlineSeconds"), nil, "may not be taken away")
	case *now > *before:
		p.invalid(spec.Child("activeDeadlineSeconds"), *now, "must be less than or equal to the previous value")
	}
	addedTolerations(pod.Spec.Tolerations, old.Spec.Tolerations, p)
	gates := sets.New[string]()
	for _, gate := range old.Spec.SchedulingGates {
		gates.Insert(gate.Name)
	}
	for i, gate := range pod.Spec.SchedulingGates {
		if !gates.Has(gate.Name) {
			p.forbidden(spec.Child("schedulingGates").Index(i).Child("name"), "may only be taken away")
		}
	}
	if apiequality.Semantic.DeepEqual(pod.Spec, old.Spec) {
		return
	}
	// What may change is made equal; the rest must be.
	now := pod.Spec.DeepCopy()
	for i := range now.Containers {
		now.Containers[i].Image = old.Spec.Containers[i].Image
	}
	for i := range now.InitContainers {
		now.InitContainers[i].Image = old.Spec.InitContainers[i].Image
	}
	now.ActiveDeadlineSeconds = old.Spec.ActiveDeadlineSeconds
	now.Tolerations = old.Spec.Tolerations
	now.SchedulingGates = old.Spec.SchedulingGates
	if n, b := now.TerminationGracePeriodSeconds, old.Spec.TerminationGracePeriodSeconds; n != nil && b != nil && *n == 1 && *b < 0 {
		now.TerminationGracePeriodSeconds = b
	}
	if len(old.Spec.SchedulingGates) > 0 {
		narrowed(now, &old.Spec, p)
	}
	if !apiequality.Semantic.DeepEqual(now, &old.Spec) {
		p.forbidden(spec, "may not change, but for container images, `activeDeadlineSeconds`, additional `tolerations` and fewer `schedulingGates`"+differing(now, &old.Spec))
	}
}

// keptAnnotations refuses changes of annotations that a pod is born with.
func keptAnnotations(pod, old *corev1.Pod, p *problems) {
	at := field.NewPath("metadata", "annotations")
	keys := sets.KeySet(pod.Annotations).Union(sets.KeySet(old.Annotations))
	for _, key := range sets.List(keys) {
		if key != corev1.MirrorPodAnnotationKey && !strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
			continue
		}
		now, is := pod.Annotations[key]
		before, was := old.Annotations[key]
		if is != was || now != before {
			p.forbidden(at.Key(key), "may not be added, changed or removed")
		}
	}
}

// sameLength tells whether containers of both pods can be compared one by one.
func sameLength(pod, old *corev1.Pod, p *problems) bool {
	same := true
	if len(pod.Spec.Containers) != len(old.Spec.Containers) {
		p.forbidden(spec.Child("containers"), "may not be added or removed")
		same = false
	}
	if len(pod.Spec.InitContainers) != len(old.Spec.InitContainers) {
		p.forbidden(spec.Child("initContainers"), "may not be added or removed")
		same = false
	}
	return same
}

// addedTolerations lets tolerations be added, and last longer or shorter.
func addedTolerations(now, before []corev1.Toleration, p *problems) {
	kept := make(map[corev1.Toleration]struct{}, len(now))
	for _, t := range now {
		t.TolerationSeconds = nil
		kept[t] = struct{}{}
	}
	for _, t := range before {
		t.TolerationSeconds = nil
		if _, ok := kept[t]; !ok {
			p.forbidden(spec.Child("tolerations"), "may only be added, or change their `tolerationSeconds`")
			return
		}
	}
}

// narrowed lets the nodes of a pod that is not scheduled yet become fewer, and
// makes equal what it has checked.
func narrowed(now, before *corev1.PodSpec, p *problems) {
	for key, value := range before.NodeSelector {
		if n, ok := now.NodeSelector[key]; !ok || n != value {
			p.invalid(spec.Child("nodeSelector"), now.NodeSelector, "may only be added to")
			break
		}
	}
	now.NodeSelector = before.NodeSelector

	affinity := func(s *corev1.PodSpec) *corev1.NodeAffinity {
		if s.Affinity == nil {
			return nil
		}
		return s.Affinity.NodeAffinity
	}
	n, b := affinity(now), affinity(before)
	if apiequality.Semantic.DeepEqual(n, b) {
		return
	}
	if b != nil && b.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		required := b.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		at := spec.Child("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
		switch {
		case n == nil || n.RequiredDuringSchedulingIgnoredDuringExecution == nil || len(n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms) != len(required):
			p.invalid(at, nil, "may not be added or removed")
		default:
			for i, term := range n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
				if !startsWith(term.MatchExpressions, required[i].MatchExpressions) || !startsWith(term.MatchFields, required[i].MatchFields) {
					p.invalid(at.Index(i), nil, "may only be added to")
				}
			}
		}
	}
	switch {
	case now.Affinity == nil:
		now.Affinity = before.Affinity
	case before.Affinity == nil && now.Affinity.PodAffinity == nil && now.Affinity.PodAntiAffinity == nil:
		now.Affinity = nil
	default:
		now.Affinity.NodeAffinity = b
	}
}

func startsWith(now, before []corev1.NodeSelectorRequirement) bool {
	return len(now) >= len(before) && apiequality.Semantic.DeepEqual(now[:len(before)], before)
}

// updateEphemeralContainers checks that such containers are only added. Nothing
// else of a pod changes in this way.
func updateEphemeralContainers(pod, old *corev1.Pod, p *problems) {
	keptAnnotations(pod, old, p)
	at := spec.Child("ephemeralContainers")
	if _, mirror := old.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		p.forbidden(at, "may not be added to static pods")
		return
	}
	now := make(map[string]*corev1.EphemeralContainer, len(pod.Spec.EphemeralContainers))
	for i := range pod.Spec.EphemeralContainers {
		now[pod.Spec.EphemeralContainers[i].Name] = &pod.Spec.EphemeralContainers[i]
	}
	for i := range old.Spec.EphemeralContainers {
		before := &old.Spec.EphemeralContainers[i]
		if n, ok := now[before.Name]; !ok {
			p.forbidden(at, fmt.Sprintf("may only be added, but %q is gone", before.Name))
		} else if !apiequality.Semantic.DeepEqual(n, before) {
			p.forbidden(at, fmt.Sprintf("may only be added, but %q is changed", before.Name))
		}
	}
	rest := pod.Spec
	rest.EphemeralContainers = old.Spec.EphemeralContainers
	if !apiequality.Semantic.DeepEqual(rest, old.Spec) {
		p.forbidden(spec, "may not change, but for `ephemeralContainers`")
	}
}

// updateResize checks that only cpu and memory change, and that the pod stays in
// its class of service.
func updateResize(pod, old *corev1.Pod, p *problems) {
	if _, mirror := old.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		p.forbidden(spec, "may not be resized for static pods")
		return
	}
	if old.Spec.OS != nil && old.Spec.OS.Name == corev1.Windows {
		p.forbidden(spec, "may not be resized for pods whose operating system is windows")
		return
	}
	if !sameLength(pod, old, p) {
		return
	}
	class := old.Status.QOSClass
	if class == "" {
		class = qosClass(&old.Spec)
	}
	if now := qosClass(&pod.Spec); now != class {
		p.invalid(spec, now, fmt.Sprintf("must stay in the class of service %s", class))
	}
	for _, c := range old.Status.ContainerStatuses {
		if c.State.Running != nil {
			if c.Resources == nil {
				p.forbidden(spec, "may not be resized on a node that does not support it")
			}
			break
		}
	}
	if len(old.Status.NodeAllocatableResourceClaimStatuses) > 0 {
		p.forbidden(spec, "may not be resized when resources of the node are claimed")
	}
	now := pod.Spec.DeepCopy()
	for i := range now.Containers {
		at := spec.Child("containers").Index(i)
		resized(&now.Containers[i].Resources, &old.Spec.Containers[i].Resources, at.Child("resources"), p)
	}
	for i := range now.InitContainers {
		c, before, at := &now.InitContainers[i], &old.Spec.InitContainers[i], spec.Child("initContainers").Index(i)
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		restarts := slices.ContainsFunc(c.ResizePolicy, func(r corev1.ContainerResizePolicy) bool { return r.RestartPolicy == corev1.RestartContainer })
		if !sidecar && restarts && !apiequality.Semantic.DeepEqual(c.Resources, before.Resources) {
			p.forbidden(at, "may not be resized by a restart")
		}
		resized(&c.Resources, &before.Resources, at.Child("resources"), p)
	}
	switch {
	case old.Spec.Resources != nil && now.Resources == nil:
		p.forbidden(spec.Child("resources"), "may not be removed")
		return
	case now.Resources != nil:
		before := old.Spec.Resources
		if before == nil {
			before = &corev1.ResourceRequirements{}
		}
		resized(now.Resources, before, spec.Child("resources"), p)
		if old.Spec.Resources == nil && len(now.Resources.Limits) == 0 && len(now.Resources.Requests) == 0 && len(now.Resources.Claims) == 0 {
			now.Resources = nil
		}
	}
	if !apiequality.Semantic.DeepEqual(now, &old.Spec) {
		p.forbidden(spec, "may not change, but for cpu and memory in `resources`"+differing(now, &old.Spec))
	}
}

// resized checks that nothing is taken away, and makes equal what may change.
func resized(now, before *corev1.ResourceRequirements, at *field.Path, p *problems) {
	same := func(name string, n *corev1.ResourceList, b corev1.ResourceList) {
		for _, resource := range slices.Sorted(maps.Keys(b)) {
			if _, ok := (*n)[resource]; !ok {
				p.forbidden(at.Child(name), fmt.Sprintf("may not be removed, but %s is", resource))
			}
		}
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if amount, ok := b[resource]; ok && *n != nil {
				(*n)[resource] = amount
			} else {
				delete(*n, resource)
			}
		}
	}
	same("limits", &now.Limits, before.Limits)
	same("requests", &now.Requests, before.Requests)
}

// qosClass is the class of service that kubelets give to a pod.
func qosClass(s *corev1.PodSpec) corev1.PodQOSClass {
	all := []*corev1.ResourceRequirements{}
	if r := s.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		all = append(all, r)
	} else {
		for i := range s.Containers {
			all = append(all, &s.Containers[i].Resources)
		}
		for i := range s.InitContainers {
			all = append(all, &s.InitContainers[i].Resources)
		}
	}
	requests, limits, guaranteed := corev1.ResourceList{}, corev1.ResourceList{}, true
	for _, r := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if q := r.Requests[name]; q.Sign() > 0 {
				sum := requests[name]
				sum.Add(q)
				requests[name] = sum
			}
			q := r.Limits[name]
			if q.Sign() <= 0 {
				guaranteed = false
				continue
			}
			sum := limits[name]
			sum.Add(q)
			limits[name] = sum
		}
	}
	if len(requests) == 0 && len(limits) == 0 {
		return corev1.PodQOSBestEffort
	}
	if guaranteed && apiequality.Semantic.DeepEqual(requests, limits) {
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
