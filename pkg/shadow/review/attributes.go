// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package review

import (
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// attributes are what an authorizer is asked. A review has one of the two, which
// validation has seen to.
//
// Of a selector, what cannot be understood is left out: the requirements are all
// to be met, so what is then asked for is more, never less. The authorizer and
// the caller are told.
func attributes(subject user.Info, resource *authorizationv1.ResourceAttributes, nonResource *authorizationv1.NonResourceAttributes) authorizer.AttributesRecord {
	if resource == nil {
		return authorizer.AttributesRecord{User: subject, Path: nonResource.Path, Verb: nonResource.Verb}
	}
	record := authorizer.AttributesRecord{
		User:            subject,
		Verb:            resource.Verb,
		Namespace:       resource.Namespace,
		APIGroup:        resource.Group,
		APIVersion:      resource.Version,
		Resource:        resource.Resource,
		Subresource:     resource.Subresource,
		Name:            resource.Name,
		ResourceRequest: true,
	}
	if record.APIVersion == "" {
		record.APIVersion = "*"
	}
	if selector := resource.LabelSelector; selector != nil {
		record.LabelSelectorRequirements, record.LabelSelectorParsingErr = labelRequirements(selector)
	}
	if selector := resource.FieldSelector; selector != nil {
		record.FieldSelectorRequirements, record.FieldSelectorParsingErr = fieldRequirements(selector)
	}
	return record
}

func labelRequirements(selector *authorizationv1.LabelSelectorAttributes) (labels.Requirements, error) {
	if len(selector.Requirements) == 0 {
		parsed, err := labels.Parse(selector.RawSelector)
		if err != nil {
			return nil, err
		}
		requirements, _ := parsed.Requirements()
		return requirements, nil
	}
	operators := map[metav1.LabelSelectorOperator]selection.Operator{
		metav1.LabelSelectorOpIn:           selection.In,
		metav1.LabelSelectorOpNotIn:        selection.NotIn,
		metav1.LabelSelectorOpExists:       selection.Exists,
		metav1.LabelSelectorOpDoesNotExist: selection.DoesNotExist,
	}
	var (
		out  labels.Requirements
		errs []error
	)
	for _, requirement := range selector.Requirements {
		operator, known := operators[requirement.Operator]
		if !known {
			errs = append(errs, fmt.Errorf("%q is not a valid label selector operator", requirement.Operator))
			continue
		}
		parsed, err := labels.NewRequirement(requirement.Key, operator, requirement.Values)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, *parsed)
	}
	return out, utilerrors.NewAggregate(errs)
}

func fieldRequirements(selector *authorizationv1.FieldSelectorAttributes) (fields.Requirements, error) {
	if len(selector.Requirements) == 0 {
		parsed, err := fields.ParseSelector(selector.RawSelector)
		if err != nil {
			return nil, err
		}
		return parsed.Requirements(), nil
	}
	// These are what a parsed field selector has.
	operators := map[metav1.FieldSelectorOperator]selection.Operator{
		metav1.FieldSelectorOpIn:    selection.Equals,
		metav1.FieldSelectorOpNotIn: selection.NotEquals,
	}
	var (
		out  fields.Requirements
		errs []error
	)
	for _, requirement := range selector.Requirements {
		operator, known := operators[requirement.Operator]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("%q is not a supported field selector operator", requirement.Operator))
		case len(requirement.Values) != 1:
			errs = append(errs, fmt.Errorf("a field selector with operator %q must have one value", requirement.Operator))
		default:
			out = append(out, fields.Requirement{Field: requirement.Key, Operator: operator, Value: requirement.Values[0]})
		}
	}
	return out, utilerrors.NewAggregate(errs)
}

// evaluationError is what a status says of the authorizer's trouble and of the
// parts of selectors that were left out.
func evaluationError(err error, record authorizer.AttributesRecord) string {
	var out []string
	if err != nil {
		out = append(out, err.Error())
	}
	ignored := func(selector string, understood int, err error) {
		switch {
		case err == nil:
		case understood > 0:
			out = append(out, "spec.resourceAttributes."+selector+" partially ignored due to parse error")
		default:
			out = append(out, "spec.resourceAttributes."+selector+" ignored due to parse error")
		}
	}
	ignored("fieldSelector", len(record.FieldSelectorRequirements), record.FieldSelectorParsingErr)
	ignored("labelSelector", len(record.LabelSelectorRequirements), record.LabelSelectorParsingErr)
	return strings.Join(out, "; ")
}
