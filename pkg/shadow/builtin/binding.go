// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storageerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
)

// podBinding serves pods/binding, by which schedulers give a pod its node.
type podBinding struct {
	pods *Store
}

var (
	_ rest.NamedCreater                   = podBinding{}
	_ rest.Scoper                         = podBinding{}
	_ rest.SubresourceObjectMetaPreserver = podBinding{}
)

// New returns an empty binding.
func (podBinding) New() runtime.Object { return &corev1.Binding{} }

// Destroy does nothing.
func (podBinding) Destroy() {}

// NamespaceScoped says that bindings have a namespace.
func (podBinding) NamespaceScoped() bool { return true }

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate keeps the uid and the
// resourceVersion, which say what pod is meant.
func (podBinding) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create binds a pod.
func (b podBinding) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	binding, ok := obj.(*corev1.Binding)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Binding: %T", obj))
	}
	if binding.Name != name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Binding object")
	}
	if errs := validateBinding(binding); len(errs) > 0 {
		return nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Binding").GroupKind(), name, errs)
	}
	if validate != nil {
		if err := validate(ctx, binding.DeepCopy()); err != nil {
			return nil, err
		}
	}
	if err := b.bind(ctx, binding, dryrun.IsDryRun(options.DryRun)); err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess}, nil
}

func validateBinding(b *corev1.Binding) field.ErrorList {
	var errs field.ErrorList
	target := field.NewPath("target")
	if b.Target.Kind != "" && b.Target.Kind != "Node" {
		errs = append(errs, field.NotSupported(target.Child("kind"), b.Target.Kind, []string{"Node", "<empty>"}))
	}
	if b.Target.Name == "" {
		return append(errs, field.Required(target.Child("name"), ""))
	}
	for _, problem := range content.IsPathSegmentName(b.Target.Name) {
		errs = append(errs, field.Invalid(target.Child("name"), b.Target.Name, problem))
	}
	return errs
}

// bind sets the node of a pod that has none, with the labels and annotations that
// the binding brings.
func (b podBinding) bind(ctx context.Context, binding *corev1.Binding, dryRun bool) error {
	key, err := b.pods.KeyFunc(ctx, binding.Name)
	if err != nil {
		return err
	}
	preconditions := &storage.Preconditions{}
	if binding.UID != "" {
		preconditions.UID = &binding.UID
	}
	if binding.ResourceVersion != "" {
		preconditions.ResourceVersion = &binding.ResourceVersion
	}
	err = b.pods.Storage.GuaranteedUpdate(ctx, key, &corev1.Pod{}, false, preconditions, storage.SimpleUpdate(func(obj runtime.Object) (runtime.Object, error) {
		pod := obj.(*corev1.Pod)
		switch {
		case pod.DeletionTimestamp != nil:
			return nil, fmt.Errorf("pod %s is being deleted, cannot be assigned to a host", pod.Name)
		case pod.Spec.NodeName != "":
			return nil, fmt.Errorf("pod %s is already assigned to node %q", pod.Name, pod.Spec.NodeName)
		case len(pod.Spec.SchedulingGates) > 0:
			return nil, fmt.Errorf("pod %s has non-empty .spec.schedulingGates", pod.Name)
		}
		pod.Spec.NodeName = binding.Target.Name
		pod.Status.NominatedNodeName = ""
		pod.Annotations = merged(pod.Annotations, binding.Annotations)
		pod.Labels = merged(pod.Labels, binding.Labels)
		setPodCondition(&pod.Status, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue})
		return pod, nil
	}), dryRun, nil)
	if err == nil {
		return nil
	}
	resource := corev1.Resource("pods")
	err = storageerr.InterpretUpdateError(storageerr.InterpretGetError(err, resource, binding.Name), resource, binding.Name)
	if status := apierrors.APIStatus(nil); !errors.As(err, &status) {
		err = apierrors.NewConflict(corev1.Resource("pods/binding"), binding.Name, err)
	}
	return err
}

// merged returns a map with more in it. The more wins.
func merged(m, more map[string]string) map[string]string {
	if len(more) == 0 {
		return m
	}
	all := maps.Clone(m)
	if all == nil {
		all = make(map[string]string, len(more))
	}
	maps.Copy(all, more)
	return all
}

// bindings serves the resource of that name, an older way to pods/binding.
type bindings struct {
	pod podBinding
}

var (
	_ rest.Creater              = bindings{}
	_ rest.Scoper               = bindings{}
	_ rest.SingularNameProvider = bindings{}
)

// New returns an empty binding.
func (bindings) New() runtime.Object { return &corev1.Binding{} }

// Destroy does nothing.
func (bindings) Destroy() {}

// NamespaceScoped says that bindings have a namespace.
func (bindings) NamespaceScoped() bool { return true }

// GetSingularName returns the name of one.
func (bindings) GetSingularName() string { return "binding" }

// Create binds the pod that the binding has the name of.
func (b bindings) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	binding, ok := obj.(*corev1.Binding)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a Binding: %T", obj))
	}
	return b.pod.Create(ctx, binding.Name, obj, validate, options)
}
