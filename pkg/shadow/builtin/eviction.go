// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/client-go/util/retry"
)

// podEviction serves pods/eviction: the deletion of a pod, if its disruption
// budget can bear it.
type podEviction struct {
	pods    *Store
	status  rest.Updater // of pods
	budgets budgets
}

var (
	_ rest.NamedCreater             = podEviction{}
	_ rest.GroupVersionKindProvider = podEviction{}
)

// evictionKind is the kind posted. It is of another group than pods.
var evictionKind = policyv1.SchemeGroupVersion.WithKind("Eviction")

// evictionRetries bound how long an eviction goes on when others change the pod
// at the same time.
var evictionRetries = wait.Backoff{Steps: 20, Duration: 500 * time.Millisecond, Factor: 1, Jitter: 0.1}

// New returns an empty eviction.
func (podEviction) New() runtime.Object { return &policyv1.Eviction{} }

// Destroy does nothing.
func (podEviction) Destroy() {}

// GroupVersionKind is what documents say is posted.
func (podEviction) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind { return evictionKind }

// Create evicts a pod.
func (e podEviction) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	eviction, ok := obj.(*policyv1.Eviction)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not an Eviction: %T", obj))
	}
	if eviction.Name != name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	deletion, err := evictionOptions(eviction, options)
	if err != nil {
		return nil, err
	}
	if validate != nil {
		if err := validate(ctx, eviction.DeepCopy()); err != nil {
			return nil, err
		}
	}
	pod, err := e.evictUnguarded(ctx, name, deletion)
	if err == nil && pod != nil {
		err = e.evictGuarded(ctx, pod, deletion)
	}
	if err != nil {
		return nil, err
	}
	return &metav1.Status{Status: metav1.StatusSuccess}, nil
}

// evictionOptions are the options of the deletion. The eviction is a dry run if
// either the request or the options in its body say so.
func evictionOptions(eviction *policyv1.Eviction, options *metav1.CreateOptions) (*metav1.DeleteOptions, error) {
	if eviction.DeleteOptions == nil {
		return &metav1.DeleteOptions{DryRun: options.DryRun}, nil
	}
	deletion := eviction.DeleteOptions.DeepCopy()
	if unsafe := deletion.IgnoreStoreReadErrorWithClusterBreakingPotential; unsafe != nil && *unsafe {
		at := field.NewPath("deleteOptions", "ignoreStoreReadErrorWithClusterBreakingPotential")
		return nil, apierrors.NewInvalid(evictionKind.GroupKind(), eviction.Name, field.ErrorList{
			field.Invalid(at, true, "may not be set for an eviction, leave it out"),
		})
	}
	switch {
	case len(deletion.DryRun) == 0:
		deletion.DryRun = options.DryRun
	case len(options.DryRun) > 0 && !slices.Equal(options.DryRun, deletion.DryRun):
		return nil, apierrors.NewBadRequest(fmt.Sprintf("dry run options of the request (%v) and of its body (%v) differ", options.DryRun, deletion.DryRun))
	}
	return deletion, nil
}

// evictUnguarded evicts a pod that no budget counts: it does not run yet, or no
// longer, or is going already. Another pod it returns as it is.
func (e podEviction) evictUnguarded(ctx context.Context, name string, deletion *metav1.DeleteOptions) (guarded *corev1.Pod, err error) {
	again := apierrors.IsConflict
	if namesVersion(deletion) {
		again = func(error) bool { return false }
	}
	err = retry.OnError(evictionRetries, again, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		obj, err := e.pods.Get(ctx, name, &metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod := obj.(*corev1.Pod)
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || pod.DeletionTimestamp != nil
		switch {
		case ended:
			return e.delete(ctx, name, deletion)
		case pod.Status.Phase == corev1.PodPending:
			// It must not start to run meanwhile.
			return e.delete(ctx, name, ofVersion(deletion, pod))
		default:
			guarded = pod
			return nil
		}
	})
	return guarded, err
}

// evictGuarded evicts a running pod, at the expense of its budget if it has one.
func (e podEviction) evictGuarded(ctx context.Context, pod *corev1.Pod, deletion *metav1.DeleteOptions) error {
	budget, err := e.budgets.of(ctx, pod)
	if err != nil {
		return err
	}
	if budget == nil {
		return e.delete(ctx, pod.Name, deletion)
	}
	if !isReady(pod) && budget.sparesUnready() {
		err := e.delete(ctx, pod.Name, ofVersion(deletion, pod))
		if apierrors.IsConflict(err) && !namesVersion(deletion) {
			return tooManyEvictions(budget.Name) // it may be ready now, and counts then
		}
		return err
	}
	if err := e.budgets.spend(ctx, budget.PodDisruptionBudget, pod.Name, dryrun.IsDryRun(deletion.DryRun)); err != nil {
		return err
	}
	return e.delete(ctx, pod.Name, deletion)
}

// delete notes in the pod's status why it goes, and deletes it.
func (e podEviction) delete(ctx context.Context, name string, deletion *metav1.DeleteOptions) error {
	if !dryrun.IsDryRun(deletion.DryRun) {
		version, err := e.markEvicted(ctx, name, deletion.Preconditions)
		if err != nil {
			return err
		}
		if namesVersion(deletion) {
			deletion = deletion.DeepCopy()
			deletion.Preconditions.ResourceVersion = &version
		}
	}
	_, _, err := e.pods.Delete(ctx, name, rest.ValidateAllObjectFunc, deletion.DeepCopy())
	return err
}

// markEvicted adds the condition to the status and returns the pod's new version.
func (e podEviction) markEvicted(ctx context.Context, name string, required *metav1.Preconditions) (string, error) {
	mark := func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		pod := old.(*corev1.Pod).DeepCopy()
		if required != nil {
			conflict := func(what string, asked, is any, meaning string) error {
				return apierrors.NewConflict(corev1.Resource("Pod"), name,
					fmt.Errorf("the %s in the precondition (%v) does not match the %s in record (%v). The object might have been %s", what, asked, what, is, meaning))
			}
			if required.UID != nil && *required.UID != "" && *required.UID != pod.UID {
				return nil, conflict("UID", *required.UID, pod.UID, "deleted and then recreated")
			}
			if v := required.ResourceVersion; v != nil && *v != "" && *v != pod.ResourceVersion {
				return nil, conflict("ResourceVersion", *v, pod.ResourceVersion, "modified")
			}
		}
		setPodCondition(&pod.Status, corev1.PodCondition{
			Type:    corev1.DisruptionTarget,
			Status:  corev1.ConditionTrue,
			Reason:  "EvictionByEvictionAPI",
			Message: "Eviction API: evicting",
		})
		return pod, nil
	}
	updated, _, err := e.status.Update(ctx, name, rest.DefaultUpdatedObjectInfo(nil, mark),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		return "", err
	}
	return updated.(*corev1.Pod).ResourceVersion, nil
}

func namesVersion(deletion *metav1.DeleteOptions) bool {
	return deletion.Preconditions != nil && deletion.Preconditions.ResourceVersion != nil
}

// ofVersion limits a deletion to the pod as it is, unless the client has limited it.
func ofVersion(deletion *metav1.DeleteOptions, pod *corev1.Pod) *metav1.DeleteOptions {
	if namesVersion(deletion) {
		return deletion
	}
	deletion = deletion.DeepCopy()
	if deletion.Preconditions == nil {
		deletion.Preconditions = &metav1.Preconditions{}
	}
	deletion.Preconditions.ResourceVersion = &pod.ResourceVersion
	return deletion
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
