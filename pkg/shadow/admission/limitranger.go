// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apiserver/pkg/admission"
)

const (
	limitRangerName = "LimitRanger"
	// limitsSet is an annotation that tells what a pod has from limit ranges.
	limitsSet = "kubernetes.io/limit-ranger"
)

// limitRanger gives containers the default resources of their namespace, and
// refuses pods and claims beyond its limits.
type limitRanger struct {
	*admission.Handler
	objects Objects
}

var (
	_ admission.MutationInterface   = &limitRanger{}
	_ admission.ValidationInterface = &limitRanger{}
)

// Admit sets the defaults.
func (l *limitRanger) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || !ranged(a) {
		return nil
	}
	ranges, err := l.ranges(ctx, a)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		setDefaults(pod, r)
	}
	return nil
}

// Validate refuses what is beyond a limit.
func (l *limitRanger) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !ranged(a) {
		return nil
	}
	ranges, err := l.ranges(ctx, a)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		var err error
		switch obj := a.GetObject().(type) {
		case *corev1.Pod:
			err = checkPod(obj, r)
		case *corev1.PersistentVolumeClaim:
			err = checkClaim(obj, r)
		}
		if err != nil {
			return admission.NewForbidden(a, err)
		}
	}
	return nil
}

// ranged says whether a request may change what is limited: containers have their
// resources from the beginning, or from a resize.
func ranged(a admission.Attributes) bool {
	if old := a.GetOldObject(); old != nil {
		if m, err := meta.Accessor(old); err == nil && m.GetDeletionTimestamp() != nil {
			return false
		}
	}
	update := a.GetOperation() == admission.Update
	switch a.GetResource().GroupResource() {
	case corev1.Resource("pods"):
		return a.GetSubresource() == "" && !update || a.GetSubresource() == "resize" && update
	case corev1.Resource("persistentvolumeclaims"):
		return a.GetSubresource() == ""
	default:
		return false
	}
}

func (l *limitRanger) ranges(ctx context.Context, a admission.Attributes) ([]*corev1.LimitRange, error) {
	ranges, err := l.objects.limitRanges(ctx, a.GetNamespace())
	if err != nil {
		return nil, admission.NewForbidden(a, fmt.Errorf("unable to %s %v at this time because there was an error enforcing limit ranges: %w", a.GetOperation(), a.GetResource(), err))
	}
	return ranges, nil
}

// setDefaults gives containers what they do not say, and notes it on the pod.
func setDefaults(pod *corev1.Pod, r *corev1.LimitRange) {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for _, item := range r.Spec.Limits {
		if item.Type == corev1.LimitTypeContainer {
			maps.Copy(requests, item.DefaultRequest)
			maps.Copy(limits, item.Default)
		}
	}
	var notes []string
	note := func(set []string, what, kind, name string) {
		if len(set) > 0 {
			notes = append(notes, strings.Join(set, ", ")+" "+what+" for "+kind+" "+name)
		}
	}
	each := func(kind string, containers []corev1.Container) {
		for i := range containers {
			c := &containers[i]
			note(fill(&c.Resources.Requests, requests), "request", kind, c.Name)
			note(fill(&c.Resources.Limits, limits), "limit", kind, c.Name)
		}
	}
	each("container", pod.Spec.Containers)
	each("init container", pod.Spec.InitContainers)
	if len(notes) == 0 {
		return
	}
	annotations := maps.Clone(pod.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[limitsSet] = "LimitRanger plugin set: " + strings.Join(notes, "; ")
	pod.Annotations = annotations
}

// fill adds what is missing in a list to a copy of it, and returns the names.
func fill(list *corev1.ResourceList, defaults corev1.ResourceList) []string {
	var set []string
	for name := range defaults {
		if _, ok := (*list)[name]; !ok {
			set = append(set, string(name))
		}
	}
	if len(set) == 0 {
		return nil
	}
	slices.Sort(set)
	filled := maps.Clone(*list)
	if filled == nil {
		filled = corev1.ResourceList{}
	}
	for _, name := range set {
		filled[corev1.ResourceName(name)] = defaults[corev1.ResourceName(name)].DeepCopy()
	}
	*list = filled
	return set
}
