// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
)

// The rules of this package are those of the kube-apiserver's registries. It also
// drops fields of features that are off by default; we do so where a field would
// have an effect here.

// Dynamic kubelet configuration is gone from Kubernetes; its fields stay empty.
var nodeHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, n *corev1.Node) {
		n.Spec.ConfigSource = nil //nolint:staticcheck // old clients may send it
		n.Status.Config = nil
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, n, old *corev1.Node) {
		if old.Spec.ConfigSource == nil { //nolint:staticcheck // old clients may send it
			n.Spec.ConfigSource = nil //nolint:staticcheck // old clients may send it
		}
	}),
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, n, old *corev1.Node) {
		if old.Status.Config == nil {
			n.Status.Config = nil
		}
	}),
}

// A service account names its secrets and says nothing else of them.
var serviceAccountHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, a *corev1.ServiceAccount) { nameSecretsOnly(a) }),
	PrepareForUpdate: onUpdate(func(_ context.Context, a, _ *corev1.ServiceAccount) { nameSecretsOnly(a) }),
}

func nameSecretsOnly(a *corev1.ServiceAccount) {
	if len(a.Secrets) == 0 {
		return
	}
	names := make([]corev1.ObjectReference, len(a.Secrets))
	for i, s := range a.Secrets {
		names[i].Name = s.Name
	}
	a.Secrets = names
}

var limitRangeHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, l *corev1.LimitRange) {
		if l.Name == "" {
			l.Name = string(uuid.NewUUID())
		}
	}),
}

// Coordinated leader election is not served here.
var leaseHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, l *coordinationv1.Lease) {
		l.Spec.Strategy, l.Spec.PreferredHolder = nil, nil
	}),
	PrepareForUpdate: onUpdate(func(_ context.Context, l, old *coordinationv1.Lease) {
		if old.Spec.Strategy == nil {
			l.Spec.Strategy = nil
		}
		if old.Spec.PreferredHolder == nil {
			l.Spec.PreferredHolder = nil
		}
	}),
}

// The labels of a slice say what service it is of, so they count. Topology is of
// an older version of the API.
var endpointSliceHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, s *discoveryv1.EndpointSlice) { dropTopology(s) }),
	PrepareForUpdate: onUpdate(func(_ context.Context, s, old *discoveryv1.EndpointSlice) {
		if !equality.Semantic.DeepEqual(s.Endpoints, old.Endpoints) {
			dropTopology(s)
		}
	}),
	Counts: func(obj, old runtime.Object) bool {
		return !equality.Semantic.DeepEqual(obj.(*discoveryv1.EndpointSlice).Labels, old.(*discoveryv1.EndpointSlice).Labels)
	},
}

func dropTopology(s *discoveryv1.EndpointSlice) {
	for i := range s.Endpoints {
		s.Endpoints[i].DeprecatedTopology = nil
	}
}

// The generation of a priority class never counts.
var priorityClassHooks = Hooks{
	PrepareForCreate: on(func(_ context.Context, p *schedulingv1.PriorityClass) { p.Generation = 1 }),
}

// The status of a device goes with its allocation.
var resourceClaimHooks = Hooks{
	PrepareForStatusUpdate: onUpdate(func(_ context.Context, c, old *resourcev1.ResourceClaim) {
		if old.Status.Allocation == nil || len(c.Status.Devices) == 0 {
			return
		}
		type device struct{ driver, pool, name, share string }
		allocated := func(a *resourcev1.AllocationResult) map[device]bool {
			devices := map[device]bool{}
			if a == nil {
				return devices
			}
			for _, r := range a.Devices.Results {
				d := device{driver: r.Driver, pool: r.Pool, name: r.Device}
				if r.ShareID != nil {
					d.share = string(*r.ShareID)
				}
				devices[d] = true
			}
			return devices
		}
		before, now := allocated(old.Status.Allocation), allocated(c.Status.Allocation)
		var kept []resourcev1.AllocatedDeviceStatus
		for _, s := range c.Status.Devices {
			d := device{driver: s.Driver, pool: s.Pool, name: s.Device}
			if s.ShareID != nil {
				d.share = *s.ShareID
			}
			if !before[d] || now[d] {
				kept = append(kept, s)
			}
		}
		c.Status.Devices = kept
	}),
}
