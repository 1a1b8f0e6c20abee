// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"strconv"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// metricsShown is how many metrics a cell names.
const metricsShown = 2

var autoscalerSpecDoc = autoscalingv2.HorizontalPodAutoscalerSpec{}.SwaggerDoc()

// HorizontalPodAutoscalers are the columns of horizontalpodautoscalers.autoscaling.
var HorizontalPodAutoscalers = New(definitions{
	nameColumn,
	text("Reference", autoscalerSpecDoc["scaleTargetRef"]),
	text("Targets", autoscalerSpecDoc["metrics"]),
	text("MinPods", autoscalerSpecDoc["minReplicas"]),
	text("MaxPods", autoscalerSpecDoc["maxReplicas"]),
	text("Replicas", autoscalingv2.HorizontalPodAutoscalerStatus{}.SwaggerDoc()["currentReplicas"]),
	ageColumn,
}, func(a *autoscalingv2.HorizontalPodAutoscaler) []any {
	lowest := unset
	if a.Spec.MinReplicas != nil {
		lowest = strconv.Itoa(int(*a.Spec.MinReplicas))
	}
	return []any{
		a.Name, a.Spec.ScaleTargetRef.Kind + "/" + a.Spec.ScaleTargetRef.Name,
		metrics(a.Spec.Metrics, a.Status.CurrentMetrics), lowest,
		int64(a.Spec.MaxReplicas), int64(a.Status.CurrentReplicas), age(a),
	}
})

// scales are the columns of the subresource scale.
var scales = New(definitions{
	text("Name", objectMeta["name"]),
	integer("Desired", autoscalingv1.ScaleSpec{}.SwaggerDoc()["replicas"]),
	integer("Available", autoscalingv1.ScaleStatus{}.SwaggerDoc()["replicas"]),
	ageColumn,
}, func(scale *autoscalingv1.Scale) []any {
	return []any{scale.Name, int64(scale.Spec.Replicas), int64(scale.Status.Replicas), age(scale)}
})

// metrics shows current and wanted values. The statuses are in the order of the
// specs, as far as there are any yet.
func metrics(specs []autoscalingv2.MetricSpec, statuses []autoscalingv2.MetricStatus) string {
	var all []string
	for i := range specs {
		status := &autoscalingv2.MetricStatus{}
		if i < len(statuses) {
			status = &statuses[i]
		}
		all = append(all, metric(&specs[i], status))
	}
	return or(some(all, metricsShown, ", "), none)
}

func metric(spec *autoscalingv2.MetricSpec, status *autoscalingv2.MetricStatus) string {
	var current autoscalingv2.MetricValueStatus // zero if not known
	switch {
	case spec.External != nil && spec.Type == autoscalingv2.ExternalMetricSourceType:
		if status.External != nil {
			current = status.External.Current
		}
		return valueOrAverage(spec.External.Target, current)
	case spec.Object != nil && spec.Type == autoscalingv2.ObjectMetricSourceType:
		if status.Object != nil {
			current = status.Object.Current
		}
		return valueOrAverage(spec.Object.Target, current)
	case spec.Pods != nil && spec.Type == autoscalingv2.PodsMetricSourceType:
		if status.Pods != nil {
			current = status.Pods.Current
		}
		return quantity(current.AverageValue) + "/" + quantity(spec.Pods.Target.AverageValue)
	case spec.Resource != nil && spec.Type == autoscalingv2.ResourceMetricSourceType:
		if status.Resource != nil {
			current = status.Resource.Current
		}
		return string(spec.Resource.Name) + ": " + averageOrUtilization(spec.Resource.Target, current)
	case spec.ContainerResource != nil && spec.Type == autoscalingv2.ContainerResourceMetricSourceType:
		if status.ContainerResource != nil {
			current = status.ContainerResource.Current
		}
		return string(spec.ContainerResource.Name) + ": " + averageOrUtilization(spec.ContainerResource.Target, current)
	default:
		return "<unknown type>"
	}
}

func valueOrAverage(target autoscalingv2.MetricTarget, current autoscalingv2.MetricValueStatus) string {
	if target.AverageValue != nil {
		return fmt.Sprintf("%s/%s (avg)", quantity(current.AverageValue), quantity(target.AverageValue))
	}
	return quantity(current.Value) + "/" + quantity(target.Value)
}

func averageOrUtilization(target autoscalingv2.MetricTarget, current autoscalingv2.MetricValueStatus) string {
	if target.AverageValue != nil {
		return quantity(current.AverageValue) + "/" + quantity(target.AverageValue)
	}
	return percent(current.AverageUtilization, unknown) + "/" + percent(target.AverageUtilization, "<auto>")
}

// quantity prints a copy: a Quantity that is asked for its string remembers it,
// which would be a write to an object that others read.
func quantity(q *resource.Quantity) string {
	if q == nil {
		return unknown
	}
	own := *q
	return own.String()
}

func percent(p *int32, placeholder string) string {
	if p == nil {
		return placeholder
	}
	return fmt.Sprintf("%d%%", *p)
}
