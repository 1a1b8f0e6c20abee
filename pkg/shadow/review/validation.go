// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateSubjectAccessReview(review *authorizationv1.SubjectAccessReview) field.ErrorList {
	errs := validateSubject(review.Spec)
	return append(errs, validateMeta(review.ObjectMeta)...)
}

func validateSelfSubjectAccessReview(review *authorizationv1.SelfSubjectAccessReview) field.ErrorList {
	errs := validateAttributes(review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes)
	errs = append(errs, validateSelectors(review.Spec.ResourceAttributes)...)
	return append(errs, validateMeta(review.ObjectMeta)...)
}

func validateLocalSubjectAccessReview(review *authorizationv1.LocalSubjectAccessReview) field.ErrorList {
	errs := validateSubject(review.Spec)
	beside := review.ObjectMeta
	beside.Namespace = ""
	if !isEmpty(beside) {
		errs = append(errs, field.Invalid(field.NewPath("metadata"), review.ObjectMeta, "must be empty except for namespace"))
	}
	if resource := review.Spec.ResourceAttributes; resource != nil && resource.Namespace != review.Namespace {
		errs = append(errs, field.Invalid(field.NewPath("spec.resourceAttributes.namespace"), resource.Namespace, "must match metadata.namespace"))
	}
	if nonResource := review.Spec.NonResourceAttributes; nonResource != nil {
		errs = append(errs, field.Invalid(field.NewPath("spec.nonResourceAttributes"), nonResource, "disallowed on this kind of request"))
	}
	return errs
}

func validateSubject(spec authorizationv1.SubjectAccessReviewSpec) field.ErrorList {
	errs := validateAttributes(spec.ResourceAttributes, spec.NonResourceAttributes)
	if spec.User == "" && len(spec.Groups) == 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "user"), spec.User, "at least one of user or group must be specified"))
	}
	return append(errs, validateSelectors(spec.ResourceAttributes)...)
}

func validateAttributes(resource *authorizationv1.ResourceAttributes, nonResource *authorizationv1.NonResourceAttributes) field.ErrorList {
	switch {
	case resource != nil && nonResource != nil:
		return field.ErrorList{field.Invalid(field.NewPath("spec", "nonResourceAttributes"), nonResource, "cannot be specified in combination with resourceAttributes")}
	case resource == nil && nonResource == nil:
		return field.ErrorList{field.Invalid(field.NewPath("spec", "resourceAttributes"), nonResource, "exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	}
	return nil
}

// validateMeta refuses metadata, which a review has no use for.
func validateMeta(meta metav1.ObjectMeta) field.ErrorList {
	if isEmpty(meta) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata"), meta, "must be empty")}
}

// isEmpty says whether there is nothing but what the server itself notes.
func isEmpty(meta metav1.ObjectMeta) bool {
	meta.ManagedFields = nil
	return equality.Semantic.DeepEqual(metav1.ObjectMeta{}, meta)
}

// validateSelectors refuses selectors that are wrong in form. Operators that are
// not known are let pass: newer clients may know more than this server.
func validateSelectors(resource *authorizationv1.ResourceAttributes) field.ErrorList {
	if resource == nil {
		return nil
	}
	var errs field.ErrorList
	if selector := resource.FieldSelector; selector != nil {
		path := field.NewPath("spec.resourceAttributes", "fieldSelector")
		errs = append(errs, validateForm(selector.RawSelector, len(selector.Requirements), path)...)
		options := metav1validation.FieldSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
		for i, requirement := range selector.Requirements {
			errs = append(errs, metav1validation.ValidateFieldSelectorRequirement(requirement, options, path.Child("requirements").Index(i))...)
		}
	}
	if selector := resource.LabelSelector; selector != nil {
		path := field.NewPath("spec.resourceAttributes", "labelSelector")
		errs = append(errs, validateForm(selector.RawSelector, len(selector.Requirements), path)...)
		options := metav1validation.LabelSelectorValidationOptions{AllowUnknownOperatorInRequirement: true}
		for i, requirement := range selector.Requirements {
			errs = append(errs, metav1validation.ValidateLabelSelectorRequirement(requirement, options, path.Child("requirements").Index(i))...)
		}
	}
	return errs
}

// validateForm wants a selector to be given in one of its two forms.
func validateForm(raw string, requirements int, path *field.Path) field.ErrorList {
	switch {
	case raw != "" && requirements > 0:
		return field.ErrorList{field.Invalid(path.Child("rawSelector"), raw, "may not specified at the same time as requirements")}
	case raw == "" && requirements == 0:
		return field.ErrorList{field.Required(path.Child("requirements"), "when "+path.String()+" is specified, requirements or rawSelector is required")}
	}
	return nil
}
