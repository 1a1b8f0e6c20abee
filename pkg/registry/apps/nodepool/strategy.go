// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1alpha1"
	"github.com/steppe-io/steppe/apis/apps/v1beta1"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/apis/apps/validation"
	"github.com/steppe-io/steppe/pkg/poolattributes"
)

// defaultPoolScopeMetadata is what the nodes of every pool share: each of them
// needs all of it, and gets it whether a manifest names it or not. OpenYurt adds
// it once, when a pool is created; then applying a manifest a second time takes
// it away.
var defaultPoolScopeMetadata = []metav1.GroupVersionResource{
	{Version: "v1", Resource: "services"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
}

// strategy says how NodePools are created, changed and deleted.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
}

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
)

func (strategy) NamespaceScoped() bool { return false }

// PrepareForCreate clears the status, which is not the creator's to say.
func (strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	pool := obj.(*apps.NodePool)
	pool.Generation = 1
	pool.Status = apps.NodePoolStatus{}
	setImplied(pool)
}

// PrepareForUpdate keeps the status, and what the version of the request has no
// fields for.
func (strategy) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	pool, oldPool := obj.(*apps.NodePool), old.(*apps.NodePool)
	pool.Status = oldPool.Status
	keepUnsaidSpec(requestVersion(ctx), pool, oldPool)
	setImplied(pool)
	if !apiequality.Semantic.DeepEqual(pool.Spec, oldPool.Spec) {
		pool.Generation = oldPool.Generation + 1
	}
}

func (strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return validation.ValidateNodePool(obj.(*apps.NodePool))
}

func (strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateNodePoolUpdate(obj.(*apps.NodePool), old.(*apps.NodePool))
}

func (strategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return warnings(obj.(*apps.NodePool))
}

func (strategy) WarningsOnUpdate(_ context.Context, obj, _ runtime.Object) []string {
	return warnings(obj.(*apps.NodePool))
}

func (strategy) Canonicalize(runtime.Object) {}

func (strategy) AllowCreateOnUpdate() bool { return false }

func (strategy) AllowUnconditionalUpdate() bool { return true }

// GetResetFields keeps appliers from owning what they cannot write.
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(fieldpath.MakePathOrDie("status"))
}

// statusStrategy says how the status of NodePools is changed.
type statusStrategy struct {
	strategy
}

func (statusStrategy) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	pool, oldPool := obj.(*apps.NodePool), old.(*apps.NodePool)
	pool.Spec = oldPool.Spec
	// As with custom resources, a status writer changes no other metadata
	// than the record of who owns which field.
	managed := pool.ManagedFields
	oldPool.ObjectMeta.DeepCopyInto(&pool.ObjectMeta)
	pool.ManagedFields = managed
	keepUnsaidStatus(requestVersion(ctx), pool, oldPool)
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return validation.ValidateNodePoolStatusUpdate(obj.(*apps.NodePool), old.(*apps.NodePool))
}

func (statusStrategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(
		fieldpath.MakePathOrDie("spec"),
		fieldpath.MakePathOrDie("metadata", "labels"),
		fieldpath.MakePathOrDie("metadata", "annotations"),
	)
}

func resetFields(paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	set := fieldpath.NewSet(paths...)
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(v1alpha1.SchemeGroupVersion.String()): set,
		fieldpath.APIVersion(v1beta1.SchemeGroupVersion.String()):  set,
		fieldpath.APIVersion(v1beta2.SchemeGroupVersion.String()):  set,
	}
}

// requestVersion is the version in which a client speaks, empty if there is no
// client.
func requestVersion(ctx context.Context) string {
	if info, ok := apirequest.RequestInfoFrom(ctx); ok {
		return info.APIVersion
	}
	return ""
}

// keepUnsaidSpec brings back what the version of a request has no fields for.
// Conversion brings such fields back where a client sends the conversion data
// that it has read, but a client that replaces a pool by its manifest does not.
// A stored value always wins over conversion data: what a client could not
// change it did not mean to change, and its copy may be old.
func keepUnsaidSpec(version string, pool, old *apps.NodePool) {
	switch version {
	case v1alpha1.SchemeGroupVersion.Version:
		keepV1beta2Spec(&pool.Spec, &old.Spec)
		if _, said := pool.Annotations[apps.AnnotationHostNetwork]; !said && !pool.Spec.HostNetwork {
			pool.Spec.HostNetwork = old.Spec.HostNetwork
		}
	case v1beta1.SchemeGroupVersion.Version:
		keepV1beta2Spec(&pool.Spec, &old.Spec)
		pool.Spec.Selector = old.Spec.Selector
	case v1beta2.SchemeGroupVersion.Version:
		pool.Spec.Selector = old.Spec.Selector
	}
}

func keepV1beta2Spec(spec, old *apps.NodePoolSpec) {
	spec.InterConnectivity = old.InterConnectivity
	spec.LeaderElectionStrategy = old.LeaderElectionStrategy
	spec.LeaderNodeLabelSelector = old.LeaderNodeLabelSelector
	spec.LeaderReplicas = old.LeaderReplicas
	spec.EnableLeaderElection = old.EnableLeaderElection
	spec.PoolScopeMetadata = old.PoolScopeMetadata
}

func keepUnsaidStatus(version string, pool, old *apps.NodePool) {
	switch version {
	case v1alpha1.SchemeGroupVersion.Version, v1beta1.SchemeGroupVersion.Version:
		pool.Status.LeaderEndpoints = old.Status.LeaderEndpoints
		pool.Status.LeaderNum = old.Status.LeaderNum
		pool.Status.LeaderLastElectedTime = old.Status.LeaderLastElectedTime
		pool.Status.Conditions = old.Status.Conditions
	}
}

// setImplied sets what follows from the rest of a pool: the resources that all
// pools share, and a label by which pools are selected by type.
func setImplied(pool *apps.NodePool) {
	for _, resource := range defaultPoolScopeMetadata {
		if !slices.Contains(pool.Spec.PoolScopeMetadata, resource) {
			// Clipped, as the array may be that of the stored object.
			pool.Spec.PoolScopeMetadata = append(slices.Clip(pool.Spec.PoolScopeMetadata), resource)
		}
	}
	value := strings.ToLower(string(pool.Spec.Type))
	if pool.Labels[apps.LabelNodePoolType] == value {
		return
	}
	if pool.Labels == nil {
		pool.Labels = map[string]string{}
	}
	pool.Labels[apps.LabelNodePoolType] = value
}

// warnings tell of what is valid and yet will not do what it seems to say.
func warnings(pool *apps.NodePool) []string {
	var out []string
	if pool.Spec.LeaderElectionStrategy == apps.ElectionStrategyMark && len(pool.Spec.LeaderNodeLabelSelector) == 0 {
		out = append(out, "spec.leaderNodeLabelSelector: no node can become a leader with the strategy \"mark\" as long as this is empty")
	}
	refused := func(path *field.Path, reason string) {
		out = append(out, fmt.Sprintf("%s: will not be put on nodes: %s", path, reason))
	}
	spec := field.NewPath("spec")
	for _, key := range slices.Sorted(maps.Keys(pool.Spec.Labels)) {
		if reason, ok := poolattributes.LabelRefused(key); ok {
			refused(spec.Child("labels").Key(key), reason)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(pool.Spec.Annotations)) {
		if reason, ok := poolattributes.AnnotationRefused(key); ok {
			refused(spec.Child("annotations").Key(key), reason)
		}
	}
	for i, taint := range pool.Spec.Taints {
		if reason, ok := poolattributes.TaintRefused(taint.Key); ok {
			refused(spec.Child("taints").Index(i).Child("key"), reason)
		}
	}
	return out
}
