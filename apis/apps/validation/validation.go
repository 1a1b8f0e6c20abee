// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation checks objects of apps.openyurt.io before they are stored.
package validation

import (
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/steppe-io/steppe/apis/apps"
)

var (
	poolTypes          = []apps.NodePoolType{apps.Cloud, apps.Edge}
	electionStrategies = []apps.LeaderElectionStrategy{apps.ElectionStrategyMark, apps.ElectionStrategyRandom}
	taintEffects       = []corev1.TaintEffect{corev1.TaintEffectNoExecute, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule}
	conditionStatuses  = []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown}
)

// ValidateNodePoolName requires a DNS subdomain that is also the value of a
// label, because nodes join a pool by a label that holds its name.
func ValidateNodePoolName(name string, prefix bool) []string {
	problems := apivalidation.NameIsDNSSubdomain(name, prefix)
	if len(name) > validation.LabelValueMaxLength {
		problems = append(problems, validation.MaxLenError(validation.LabelValueMaxLength))
	}
	return problems
}

// ValidateNodePool checks a pool that is to be created.
func ValidateNodePool(pool *apps.NodePool) field.ErrorList {
	errs := apivalidation.ValidateObjectMeta(&pool.ObjectMeta, false, ValidateNodePoolName, field.NewPath("metadata"))
	errs = append(errs, validateConversionData(pool.Annotations)...)
	errs = append(errs, validateSpec(&pool.Spec, field.NewPath("spec"))...)
	return append(errs, validateStatus(&pool.Status, field.NewPath("status"))...)
}

// ValidateNodePoolUpdate checks a change of a pool.
func ValidateNodePoolUpdate(pool, old *apps.NodePool) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&pool.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateConversionData(pool.Annotations)...)
	path := field.NewPath("spec")
	errs = append(errs, validateSpec(&pool.Spec, path)...)
	errs = append(errs, apivalidation.ValidateImmutableField(pool.Spec.Type, old.Spec.Type, path.Child("type"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(pool.Spec.HostNetwork, old.Spec.HostNetwork, path.Child("hostNetwork"))...)
	return append(errs, apivalidation.ValidateImmutableField(pool.Spec.InterConnectivity, old.Spec.InterConnectivity, path.Child("interConnectivity"))...)
}

// ValidateNodePoolStatusUpdate checks a change of a pool's status.
func ValidateNodePoolStatusUpdate(pool, old *apps.NodePool) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(&pool.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(errs, validateStatus(&pool.Status, field.NewPath("status"))...)
}

// validateConversionData finds what conversion could not read: what it can, it
// takes out.
func validateConversionData(annotations map[string]string) field.ErrorList {
	text, ok := annotations[apps.AnnotationConversionData]
	if !ok {
		return nil
	}
	path := field.NewPath("metadata", "annotations").Key(apps.AnnotationConversionData)
	return field.ErrorList{field.Invalid(path, text, "must be the JSON that the server wrote there, or be removed")}
}

func validateSpec(spec *apps.NodePoolSpec, path *field.Path) field.ErrorList {
	errs := oneOf(spec.Type, poolTypes, path.Child("type"))
	if spec.Type == apps.Cloud && spec.HostNetwork {
		errs = append(errs, field.Invalid(path.Child("hostNetwork"), true, "may not be true in a pool of `type` Cloud"))
	}
	errs = append(errs, oneOf(spec.LeaderElectionStrategy, electionStrategies, path.Child("leaderElectionStrategy"))...)
	errs = append(errs, metav1validation.ValidateLabels(spec.Labels, path.Child("labels"))...)
	errs = append(errs, metav1validation.ValidateLabels(spec.LeaderNodeLabelSelector, path.Child("leaderNodeLabelSelector"))...)
	errs = append(errs, apivalidation.ValidateAnnotations(spec.Annotations, path.Child("annotations"))...)
	errs = append(errs, validateTaints(spec.Taints, path.Child("taints"))...)
	errs = append(errs, validatePoolScopeMetadata(spec.PoolScopeMetadata, path.Child("poolScopeMetadata"))...)
	if spec.LeaderReplicas < 1 {
		errs = append(errs, field.Invalid(path.Child("leaderReplicas"), spec.LeaderReplicas, "must be 1 or more"))
	}
	return errs
}

// validateTaints follows what kube-apiserver asks of the taints of a Node: what
// it refuses there could never be applied.
func validateTaints(taints []corev1.Taint, path *field.Path) field.ErrorList {
	type identity struct {
		key    string
		effect corev1.TaintEffect
	}
	var errs field.ErrorList
	seen := sets.New[identity]()
	for i, taint := range taints {
		at := path.Index(i)
		errs = append(errs, metav1validation.ValidateLabelName(taint.Key, at.Child("key"))...)
		for _, problem := range validation.IsValidLabelValue(taint.Value) {
			errs = append(errs, field.Invalid(at.Child("value"), taint.Value, problem))
		}
		errs = append(errs, oneOf(taint.Effect, taintEffects, at.Child("effect"))...)

		id := identity{taint.Key, taint.Effect}
		if seen.Has(id) {
			errs = append(errs, field.Duplicate(at, taint.Key+":"+string(taint.Effect)))
		}
		seen.Insert(id)
	}
	return errs
}

func validatePoolScopeMetadata(resources []metav1.GroupVersionResource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[metav1.GroupVersionResource]()
	for i, resource := range resources {
		at := path.Index(i)
		if resource.Version == "" {
			errs = append(errs, field.Required(at.Child("version"), "must name the version of the resource, such as v1"))
		}
		if resource.Resource == "" {
			errs = append(errs, field.Required(at.Child("resource"), "must name the resource in the plural, such as services"))
		}
		if seen.Has(resource) {
			errs = append(errs, field.Duplicate(at, resource.String()))
		}
		seen.Insert(resource)
	}
	return errs
}

func validateStatus(status *apps.NodePoolStatus, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateNonnegativeField(int64(status.ReadyNodeNum), path.Child("readyNodeNum"))
	errs = append(errs, apivalidation.ValidateNonnegativeField(int64(status.UnreadyNodeNum), path.Child("unreadyNodeNum"))...)
	errs = append(errs, apivalidation.ValidateNonnegativeField(int64(status.LeaderNum), path.Child("leaderNum"))...)
	nodes := sets.New[string]()
	for i, leader := range status.LeaderEndpoints {
		if nodes.Has(leader.NodeName) {
			errs = append(errs, field.Duplicate(path.Child("leaderEndpoints").Index(i).Child("nodeName"), leader.NodeName))
		}
		nodes.Insert(leader.NodeName)
	}
	types := sets.New[apps.NodePoolConditionType]()
	for i, condition := range status.Conditions {
		at := path.Child("conditions").Index(i)
		if types.Has(condition.Type) {
			errs = append(errs, field.Duplicate(at.Child("type"), condition.Type))
		}
		types.Insert(condition.Type)
		if condition.Type == "" {
			errs = append(errs, field.Required(at.Child("type"), "must say what is observed"))
		}
		errs = append(errs, oneOf(condition.Status, conditionStatuses, at.Child("status"))...)
	}
	return errs
}

func oneOf[T ~string](value T, allowed []T, path *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	if !sets.New(allowed...).Has(value) {
		return field.ErrorList{field.NotSupported(path, value, allowed)}
	}
	return nil
}
