// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// addSubresources adds those that read and write objects of the table alone.
func (r *Resources) addSubresources() {
	core := corev1.SchemeGroupVersion
	pods := r.Store(corev1.Resource("pods"))
	r.Add(core, "pods/binding", podBinding{pods})
	r.Add(core, "bindings", bindings{podBinding{pods}})
	r.Add(core, "pods/eviction", podEviction{
		pods:   pods,
		status: r.versions[core]["pods/status"].(rest.Updater),
		budgets: budgets{
			store:  r.Store(policyv1.Resource("poddisruptionbudgets")),
			status: r.versions[policyv1.SchemeGroupVersion]["poddisruptionbudgets/status"].(rest.Updater),
		},
	})
	r.Add(core, "pods/ephemeralcontainers", newPart(pods, ephemeralStrategy{pods.base}))
	r.Add(core, "pods/resize", newPart(pods, resizeStrategy{pods.base}))

	all := r.Store(corev1.Resource("namespaces"))
	r.Add(core, "namespaces", namespaces{all})
	r.Add(core, "namespaces/finalize", writeOnly{newWholePart(all, finalizeStrategy{all.base})})

	for _, resource := range []schema.GroupResource{
		corev1.Resource("replicationcontrollers"),
		appsv1.Resource("deployments"), appsv1.Resource("replicasets"), appsv1.Resource("statefulsets"),
	} {
		store := r.Store(resource)
		r.Add(store.row.Kind.GroupVersion(), store.row.Name+"/scale", newScale(store))
	}

	requests := r.Store(certificatesv1.Resource("certificatesigningrequests"))
	r.Add(certificatesv1.SchemeGroupVersion, "certificatesigningrequests/approval",
		newWholePart(requests, approvalStrategy{statusStrategy{requests.base}}))
}

// guardGrants has roles and bindings refused that grant more than their writer may.
func (r *Resources) guardGrants() {
	check := r.config.CheckGrant
	if check == nil {
		return
	}
	done := func(context.Context, bool) {}
	for _, name := range []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
		store := r.Store(rbacv1.Resource(name))
		store.BeginCreate = func(ctx context.Context, obj runtime.Object, _ *metav1.CreateOptions) (genericregistry.FinishFunc, error) {
			return done, check(ctx, obj, nil)
		}
		store.BeginUpdate = func(ctx context.Context, obj, old runtime.Object, _ *metav1.UpdateOptions) (genericregistry.FinishFunc, error) {
			return done, check(ctx, obj, old)
		}
	}
}
