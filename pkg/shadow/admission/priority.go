// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
)

const priorityName = "Priority"

// systemClasses are known even where no such class has been mirrored: kubelets and
// CNI plugins are told by them.
var systemClasses = map[string]int32{"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}

// priorities turns the class of a pod into a number.
type priorities struct {
	*admission.Handler
	objects Objects
}

var (
	_ admission.MutationInterface   = &priorities{}
	_ admission.ValidationInterface = &priorities{}
)

// Admit sets the priority of a new pod, and keeps it on updates.
func (p *priorities) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || !isOf(a, corev1.Resource("pods")) {
		return nil
	}
	if old, ok := a.GetOldObject().(*corev1.Pod); ok && a.GetOperation() == admission.Update {
		if pod.Spec.Priority == nil {
			pod.Spec.Priority = old.Spec.Priority
		}
		if pod.Spec.PreemptionPolicy == nil {
			pod.Spec.PreemptionPolicy = old.Spec.PreemptionPolicy
		}
		return nil
	}
	class, err := p.class(ctx, a, pod.Spec.PriorityClassName)
	if err != nil {
		return err
	}
	pod.Spec.PriorityClassName = class.Name
	if pod.Spec.Priority != nil && *pod.Spec.Priority != class.Value {
		return admission.NewForbidden(a, fmt.Errorf("the integer value of priority (%d) must not be provided in pod spec; priority admission controller computed %d from the given PriorityClass name", *pod.Spec.Priority, class.Value))
	}
	pod.Spec.Priority = &class.Value
	if class.PreemptionPolicy == nil {
		return nil
	}
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy != *class.PreemptionPolicy {
		return admission.NewForbidden(a, fmt.Errorf("the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller computed %s from the given PriorityClass name", *pod.Spec.PreemptionPolicy, *class.PreemptionPolicy))
	}
	policy := *class.PreemptionPolicy
	pod.Spec.PreemptionPolicy = &policy
	return nil
}

// Validate refuses a second class for pods that have none.
func (p *priorities) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	class, ok := a.GetObject().(*schedulingv1.PriorityClass)
	if !ok || !class.GlobalDefault || !isOf(a, schedulingv1.Resource("priorityclasses")) {
		return nil
	}
	other, err := p.defaultClass(ctx)
	if err != nil {
		return fmt.Errorf("finding the default priority class: %w", err)
	}
	if other != nil && (a.GetOperation() == admission.Create || other.Name != class.Name) {
		return admission.NewForbidden(a, fmt.Errorf("PriorityClass %v is already marked as default. Only one default can exist", other.Name))
	}
	return nil
}

// class returns the class of a pod. That of a pod without any has no name, if
// nobody has made a default.
func (p *priorities) class(ctx context.Context, a admission.Attributes, name string) (*schedulingv1.PriorityClass, error) {
	preempts := corev1.PreemptLowerPriority
	if name == "" {
		class, err := p.defaultClass(ctx)
		if err != nil {
			return nil, fmt.Errorf("finding the default priority class: %w", err)
		}
		if class == nil {
			class = &schedulingv1.PriorityClass{PreemptionPolicy: &preempts}
		}
		return class, nil
	}
	class, err := p.objects.priorityClass(ctx, name)
	switch {
	case err == nil:
		return class, nil
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading PriorityClass %s: %w", name, err)
	}
	if value, ok := systemClasses[name]; ok {
		class := &schedulingv1.PriorityClass{Value: value, PreemptionPolicy: &preempts}
		class.Name = name
		return class, nil
	}
	return nil, admission.NewForbidden(a, fmt.Errorf("no PriorityClass with name %v was found", name))
}

// defaultClass returns the class of pods that name none, nil if there is none. The
// least counts if there are several.
func (p *priorities) defaultClass(ctx context.Context) (*schedulingv1.PriorityClass, error) {
	classes, err := p.objects.priorityClasses(ctx)
	if err != nil {
		return nil, err
	}
	var least *schedulingv1.PriorityClass
	for _, c := range classes {
		if c.GlobalDefault && (least == nil || c.Value < least.Value) {
			least = c
		}
	}
	return least, nil
}
