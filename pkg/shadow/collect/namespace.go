// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// listPage is how many objects of a namespace are looked at for what keeps them.
const listPage = 100

// remains is what is still in a namespace.
type remains struct {
	objects    map[string]int64 // by resource
	finalizers map[string]int   // of those looked at
	failures   []error
}

// emptyNamespace deletes all that is in a namespace which is to go, and lets it go
// when nothing is left.
func (c *Collector) emptyNamespace(ctx context.Context, name string) (bool, error) {
	get, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	n, err := c.namespaces.CoreV1().Namespaces().Get(get, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if n.DeletionTimestamp == nil || !slices.Contains(n.Spec.Finalizers, corev1.FinalizerKubernetes) {
		return true, nil
	}
	// What is served now counts: a resource overlooked would leave objects behind
	// that a new namespace of that name gets.
	all, err := discover(c.discovery)
	if err != nil {
		return false, errors.Join(err, c.tell(ctx, n, nil, err))
	}
	left := c.empty(ctx, name, all)
	if len(left.objects) > 0 || len(left.failures) > 0 {
		return false, errors.Join(errors.Join(left.failures...), c.tell(ctx, n, left, nil))
	}
	klog.FromContext(ctx).V(2).Info("Letting an empty namespace go", "name", name)
	n.Spec.Finalizers = slices.DeleteFunc(n.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
	put, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = c.namespaces.CoreV1().Namespaces().Finalize(put, n, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		err = nil
	}
	return err == nil, err
}

// empty deletes what is in a namespace and returns what is left. Pods go first:
// what limits them, such as a network policy, must not go before.
func (c *Collector) empty(ctx context.Context, namespace string, all []*resource) *remains {
	left := &remains{objects: map[string]int64{}, finalizers: map[string]int{}}
	isPods := func(r *resource) bool { return r.GroupResource() == pods }
	for _, first := range []bool{true, false} {
		for _, r := range all {
			if r.namespaced && r.can("list", "delete") && isPods(r) == first {
				c.emptyResource(ctx, namespace, r, left)
			}
		}
		if len(left.objects) > 0 || len(left.failures) > 0 && first {
			return left
		}
	}
	return left
}

// emptyResource deletes the objects of one resource.
func (c *Collector) emptyResource(ctx context.Context, namespace string, r *resource, left *remains) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	objects := c.in(r, namespace)
	fail := func(err error) {
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
			left.failures = append(left.failures, fmt.Errorf("emptying namespace %s of %s: %w", namespace, r.GroupResource(), err))
		}
	}
	list, err := objects.List(ctx, metav1.ListOptions{Limit: listPage})
	if err != nil {
		fail(err)
		return
	}
	if len(list.Items) == 0 {
		return
	}
	policy := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &policy}
	if r.can("deletecollection") {
		fail(objects.DeleteCollection(ctx, options, metav1.ListOptions{}))
	} else {
		for i := range list.Items {
			fail(objects.Delete(ctx, list.Items[i].Name, options))
		}
	}
	if list, err = objects.List(ctx, metav1.ListOptions{Limit: listPage}); err != nil {
		fail(err)
		return
	}
	if len(list.Items) == 0 {
		return
	}
	count := int64(len(list.Items))
	if more := list.RemainingItemCount; more != nil {
		count += *more
	}
	left.objects[r.GroupResource().String()] = count
	for i := range list.Items {
		for _, f := range list.Items[i].Finalizers {
			left.finalizers[f]++
		}
	}
}

// tell writes into the status of a namespace what keeps it.
func (c *Collector) tell(ctx context.Context, n *corev1.Namespace, left *remains, undiscovered error) error {
	told := conditions(left, undiscovered)
	updated := n.DeepCopy()
	changed := false
	for _, condition := range told {
		changed = setCondition(&updated.Status, condition) || changed
	}
	if !changed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := c.namespaces.CoreV1().Namespaces().UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// conditions are those that clients know from clusters.
func conditions(left *remains, undiscovered error) []corev1.NamespaceCondition {
	say := func(of corev1.NamespaceConditionType, problem bool, badReason, bad, goodReason, good string) corev1.NamespaceCondition {
		if problem {
			return corev1.NamespaceCondition{Type: of, Status: corev1.ConditionTrue, Reason: badReason, Message: bad}
		}
		return corev1.NamespaceCondition{Type: of, Status: corev1.ConditionFalse, Reason: goodReason, Message: good}
	}
	if undiscovered != nil {
		return []corev1.NamespaceCondition{
			say(corev1.NamespaceDeletionDiscoveryFailure, true, "DiscoveryFailed", undiscovered.Error(), "", ""),
		}
	}
	var failure string
	if err := errors.Join(left.failures...); err != nil {
		failure = err.Error()
	}
	var objects, finalizers []string
	for _, r := range slices.Sorted(maps.Keys(left.objects)) {
		objects = append(objects, fmt.Sprintf("%s has %d resource instances", r, left.objects[r]))
	}
	for _, f := range slices.Sorted(maps.Keys(left.finalizers)) {
		finalizers = append(finalizers, fmt.Sprintf("%s in %d resource instances", f, left.finalizers[f]))
	}
	return []corev1.NamespaceCondition{
		say(corev1.NamespaceDeletionDiscoveryFailure, false, "", "", "ResourcesDiscovered", "All resources successfully discovered"),
		say(corev1.NamespaceDeletionContentFailure, failure != "", "ContentDeletionFailed", "Failed to delete all resource types: "+failure,
			"ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
		say(corev1.NamespaceContentRemaining, len(objects) > 0, "SomeResourcesRemain", "Some resources are remaining: "+strings.Join(objects, ", "),
			"ContentRemoved", "All content successfully removed"),
		say(corev1.NamespaceFinalizersRemaining, len(finalizers) > 0, "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: "+strings.Join(finalizers, ", "),
			"ContentHasNoFinalizers", "All content-preserving finalizers finished"),
	}
}

// setCondition puts a condition into a status, and says whether it is new.
func setCondition(status *corev1.NamespaceStatus, condition corev1.NamespaceCondition) bool {
	condition.LastTransitionTime = metav1.Now()
	i := slices.IndexFunc(status.Conditions, func(c corev1.NamespaceCondition) bool { return c.Type == condition.Type })
	if i < 0 {
		status.Conditions = append(status.Conditions, condition)
		return true
	}
	was := status.Conditions[i]
	if was.Status == condition.Status {
		condition.LastTransitionTime = was.LastTransitionTime
	}
	status.Conditions[i] = condition
	return was.Status != condition.Status || was.Reason != condition.Reason || was.Message != condition.Message
}
