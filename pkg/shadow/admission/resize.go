// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	baseversion "k8s.io/component-base/version"
	"k8s.io/component-helpers/nodedeclaredfeatures"
	resourcehelper "k8s.io/component-helpers/resource"
)

const (
	featuresName = "NodeDeclaredFeatureValidator"
	resizeName   = "PodResizeValidator"
)

// The causes of a refused resize, which clients look for.
const (
	unsupportedPlatform metav1.CauseType = "UnsupportedPlatform"
	nodeCapacity        metav1.CauseType = "NodeCapacity"
)

// features refuses updates of a pod that its node has not the features for.
type features struct {
	*admission.Handler
	objects Objects
	version *version.Version
}

// resizes refuses more resources than a pod's node has.
type resizes struct {
	*admission.Handler
	objects Objects
}

var (
	_ admission.ValidationInterface = &features{}
	_ admission.ValidationInterface = &resizes{}
)

func newFeatures(objects Objects) *features {
	return &features{admission.NewHandler(admission.Update), objects, version.MustParse(baseversion.DefaultKubeBinaryVersion)}
}

// Validate compares what the update needs with what the node declares.
func (f *features) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, old := changed(a)
	if pod == nil {
		return nil
	}
	needs, err := nodedeclaredfeatures.DefaultFramework.InferForPodUpdate(
		&nodedeclaredfeatures.PodInfo{Spec: &old.Spec, Status: &old.Status},
		&nodedeclaredfeatures.PodInfo{Spec: &pod.Spec, Status: &pod.Status}, f.version)
	if err != nil {
		return admission.NewForbidden(a, fmt.Errorf("failed to infer pod capability requirements: %w", err))
	}
	if needs.IsEmpty() {
		return nil
	}
	node, err := nodeOf(ctx, a, f.objects, pod)
	if err != nil {
		return err
	}
	match, err := nodedeclaredfeatures.DefaultFramework.MatchNode(needs, node)
	if err != nil {
		return admission.NewForbidden(a, fmt.Errorf("failed to match pod requirements against node %q: %w", node.Name, err))
	}
	if !match.IsMatch {
		return admission.NewForbidden(a, fmt.Errorf("pod update requires features %s which are not available on node %q", strings.Join(match.UnsatisfiedRequirements, ", "), node.Name))
	}
	return nil
}

// Validate compares what is asked for with the node.
func (r *resizes) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, _ := changed(a)
	if pod == nil || a.GetSubresource() != "resize" {
		return nil
	}
	node, err := nodeOf(ctx, a, r.objects, pod)
	if err != nil {
		return err
	}
	if os, ok := node.Labels[corev1.LabelOSStable]; ok && os != string(corev1.Linux) {
		return because(admission.NewForbidden(a, fmt.Errorf("pod resize is only supported on linux nodes, node %q is %q", node.Name, os)), unsupportedPlatform)
	}
	asked := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	var lacks []string
	if cpu, has := asked.Cpu(), node.Status.Allocatable.Cpu(); cpu.Cmp(*has) > 0 {
		lacks = append(lacks, fmt.Sprintf("cpu, requested: %d, allocatable: %d", cpu.MilliValue(), has.MilliValue()))
	}
	if memory, has := asked.Memory(), node.Status.Allocatable.Memory(); memory.Cmp(*has) > 0 {
		lacks = append(lacks, fmt.Sprintf("memory, requested: %d, allocatable: %d", memory.Value(), has.Value()))
	}
	if len(lacks) > 0 {
		return because(admission.NewForbidden(a, fmt.Errorf("node didn't have enough allocatable resources: %s", strings.Join(lacks, "; "))), nodeCapacity)
	}
	return nil
}

// changed returns a pod that has a node, and what it was, if an update changes what
// the node is to do. Else it returns nil.
func changed(a admission.Attributes) (pod, old *corev1.Pod) {
	pod, ok := a.GetObject().(*corev1.Pod)
	old, had := a.GetOldObject().(*corev1.Pod)
	if !ok || !had || !isOf(a, corev1.Resource("pods"), "resize") || pod.Spec.NodeName == "" || pod.Generation == old.Generation {
		return nil, nil
	}
	return pod, old
}

func nodeOf(ctx context.Context, a admission.Attributes, objects Objects, pod *corev1.Pod) (*corev1.Node, error) {
	node, err := objects.node(ctx, pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil, admission.NewForbidden(a, fmt.Errorf("node %q not found", pod.Spec.NodeName))
	}
	if err != nil {
		return nil, admission.NewForbidden(a, fmt.Errorf("failed to get node %q: %w", pod.Spec.NodeName, err))
	}
	return node, nil
}

// because adds a cause to a refusal.
func because(err error, cause metav1.CauseType) error {
	var status *apierrors.StatusError
	if errors.As(err, &status) {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{Type: cause})
	}
	return err
}
