// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/shadow/clusterip"
)

// Who changes the type of a service need not know what goes with it. What a type
// needs is given by an allocator, see Resources.Allocate.
var serviceHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, s *corev1.Service) { dropInternalPolicy(s) }),
	PrepareForUpdate: onUpdate(func(_ context.Context, s, old *corev1.Service) {
		clusterip.DropUnneeded(s, old)
		dropInternalPolicy(s)
	}),
}

// dropInternalPolicy takes from a mere name what only an address can have.
func dropInternalPolicy(s *corev1.Service) {
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		s.Spec.InternalTrafficPolicy = nil
	}
}

// Allocate has services given their addresses and ports. It must be called before
// anything is served.
func (r *Resources) Allocate(allocator *clusterip.Allocator) {
	allocator.Attach(r.Store(corev1.Resource("services")).Store)
	r.afterServices(allocator.AfterDelete)
}

// afterServices has the Endpoints of a deleted service deleted, lest another
// service of its name sends clients to them, and then what the caller wants done.
func (r *Resources) afterServices(then func(runtime.Object, *metav1.DeleteOptions)) {
	after := func(obj runtime.Object, options *metav1.DeleteOptions) {
		if !dryrun.IsDryRun(options.DryRun) {
			r.deleteEndpoints(obj.(*corev1.Service))
		}
		if then != nil {
			then(obj, options)
		}
	}
	r.Store(corev1.Resource("services")).AfterDelete = after
	// An update of the status may take the last finalizer away.
	r.versions[corev1.SchemeGroupVersion]["services/status"].(wholePart).store.AfterDelete = after
}

// deleteEndpoints goes on when the client of the deletion has gone.
func (r *Resources) deleteEndpoints(s *corev1.Service) {
	const timeout = 10 * time.Second
	ctx, cancel := context.WithTimeout(apirequest.WithNamespace(context.Background(), s.Namespace), timeout)
	defer cancel()
	_, _, err := r.Store(corev1.Resource("endpoints")).Delete(ctx, s.Name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		klog.Background().Error(err, "Could not delete the Endpoints of a deleted service", "service", klog.KObj(s))
	}
}
