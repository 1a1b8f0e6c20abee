// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	pdbhelper "k8s.io/component-helpers/apps/poddisruptionbudget"
)

// maxDisrupted is how many evicted pods may be noted in a budget whose controller
// has not seen them go.
const maxDisrupted = 2000

// budgets are the disruption budgets of pods.
type budgets struct {
	store  rest.Lister
	status rest.Updater
}

// budget guards a pod.
type budget struct {
	*policyv1.PodDisruptionBudget
}

// of returns the budget that guards a pod, nil if none does.
func (b budgets) of(ctx context.Context, pod *corev1.Pod) (*budget, error) {
	list, err := b.store.List(inBudgets(ctx, pod.Namespace), nil)
	if err != nil {
		return nil, err
	}
	var found *budget
	for i := range list.(*policyv1.PodDisruptionBudgetList).Items {
		item := &list.(*policyv1.PodDisruptionBudgetList).Items[i]
		selector, err := metav1.LabelSelectorAsSelector(item.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
			continue // a selector that cannot be read selects nothing
		}
		if found != nil {
			return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
				Status:  metav1.StatusFailure,
				Code:    http.StatusInternalServerError,
				Reason:  metav1.StatusReasonInternalError,
				Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
			}}
		}
		found = &budget{item}
	}
	return found, nil
}

// sparesUnready says whether pods that are not ready may go for nothing.
func (b *budget) sparesUnready() bool {
	if p := b.Spec.UnhealthyPodEvictionPolicy; p != nil && *p == policyv1.AlwaysAllow {
		return true
	}
	return b.Status.DesiredHealthy > 0 && b.Status.CurrentHealthy >= b.Status.DesiredHealthy
}

// spend takes one disruption from a budget and notes the pod. Who changes the
// budget meanwhile is heard: the check is part of the write.
func (b budgets) spend(ctx context.Context, of *policyv1.PodDisruptionBudget, pod string, dryRun bool) error {
	options := &metav1.UpdateOptions{}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	spend := func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		left := old.(*policyv1.PodDisruptionBudget).DeepCopy()
		if err := checkBudget(left); err != nil {
			return nil, err
		}
		left.Status.DisruptionsAllowed--
		if left.Status.DisruptionsAllowed == 0 {
			pdbhelper.UpdateDisruptionAllowedCondition(left)
		}
		if left.Status.DisruptedPods == nil {
			left.Status.DisruptedPods = map[string]metav1.Time{}
		}
		left.Status.DisruptedPods[pod] = metav1.Now()
		return left, nil
	}
	_, _, err := b.status.Update(inBudgets(ctx, of.Namespace), of.Name, rest.DefaultUpdatedObjectInfo(nil, spend),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, options)
	return err
}

// checkBudget returns an API error if a budget bears no disruption now.
func checkBudget(b *policyv1.PodDisruptionBudget) error {
	resource := policyv1.Resource("poddisruptionbudget")
	switch {
	case b.Status.ObservedGeneration < b.Generation:
		return tooManyEvictions(b.Name)
	case b.Status.DisruptionsAllowed < 0:
		return apierrors.NewForbidden(resource, b.Name, errors.New("pdb disruptions allowed is negative"))
	case len(b.Status.DisruptedPods) > maxDisrupted:
		return apierrors.NewForbidden(resource, b.Name, errors.New("DisruptedPods map too big - too many evictions not confirmed by PDB controller"))
	case b.Status.DisruptionsAllowed > 0:
		return nil
	}
	return violation(0, whyExhausted(b))
}

// whyExhausted explains a budget that has nothing left. A controller that failed
// has not counted pods, so its failure is told first.
func whyExhausted(b *policyv1.PodDisruptionBudget) string {
	c := meta.FindStatusCondition(b.Status.Conditions, policyv1.DisruptionAllowedCondition)
	told := c != nil && c.Status == metav1.ConditionFalse && c.Message != ""
	switch {
	case told && c.Reason == policyv1.SyncFailedReason:
		return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently because it failed sync: %s", b.Name, c.Message)
	case b.Status.CurrentHealthy <= b.Status.DesiredHealthy:
		return fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy)
	case told:
		return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently (%s): %s", b.Name, c.Reason, c.Message)
	default:
		return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently", b.Name)
	}
}

// tooManyEvictions refuses an eviction until a budget's controller has caught up.
func tooManyEvictions(name string) error {
	const wait = 10 // seconds
	return violation(wait, fmt.Sprintf("The disruption budget %s is still being processed by the server.", name))
}

// violation refuses an eviction. Clients look for the cause.
func violation(retryAfter int, cause string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes,
		metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: cause})
	return err
}

// inBudgets is the context of a request about budgets, whose names errors then
// have, made on behalf of one about pods.
func inBudgets(ctx context.Context, namespace string) context.Context {
	return apirequest.WithRequestInfo(apirequest.WithNamespace(ctx, namespace), &apirequest.RequestInfo{
		IsResourceRequest: true,
		APIGroup:          policyv1.GroupName,
		APIVersion:        policyv1.SchemeGroupVersion.Version,
		Resource:          "poddisruptionbudgets",
		Namespace:         namespace,
	})
}
