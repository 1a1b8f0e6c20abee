// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"cmp"
	"context"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
)

const (
	ingressClassName = "DefaultIngressClass"
	// namedClass is how ingresses named their class before they had a field for it.
	namedClass = "kubernetes.io/ingress.class"
)

// ingressClasses gives ingresses without a class the default one.
type ingressClasses struct {
	*admission.Handler
	objects Objects
}

var _ admission.MutationInterface = &ingressClasses{}

// Admit sets the class.
func (i *ingressClasses) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	ingress, ok := a.GetObject().(*networkingv1.Ingress)
	if !ok || !isOf(a, networkingv1.Resource("ingresses")) {
		return nil
	}
	if _, named := ingress.Annotations[namedClass]; named || ingress.Spec.IngressClassName != nil {
		return nil
	}
	classes, err := i.objects.ingressClasses(ctx)
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	class := newest(classes, func(c *networkingv1.IngressClass) bool {
		return c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true"
	})
	if class != nil {
		ingress.Spec.IngressClassName = &class.Name
	}
	return nil
}

// newest returns the newest object that is meant, the first by name of those that
// are as new as each other. The zero value means none.
func newest[T metav1.Object](objects []T, meant func(T) bool) T {
	var none T
	candidates := slices.DeleteFunc(slices.Clone(objects), func(o T) bool { return !meant(o) })
	if len(candidates) == 0 {
		return none
	}
	return slices.MinFunc(candidates, func(x, y T) int {
		return cmp.Or(y.GetCreationTimestamp().Compare(x.GetCreationTimestamp().Time), cmp.Compare(x.GetName(), y.GetName()))
	})
}
