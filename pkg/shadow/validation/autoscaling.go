// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxScalingPeriod       = 1800
	maxStabilizationWindow = 3600
)

// segment checks what becomes a part of a URL.
var segment = text(content.IsPathSegmentName)

// autoscalingRules are for autoscalers.
func autoscalingRules() []rule {
	return []rule{
		also(of[autoscalingv2.HorizontalPodAutoscalerSpec](f("minReplicas", positive), f("maxReplicas", required, nonNegative)),
			func(s *autoscalingv2.HorizontalPodAutoscalerSpec, at *field.Path, p *problems) {
				if s.MinReplicas != nil && s.MaxReplicas < *s.MinReplicas {
					p.invalid(at.Child("maxReplicas"), s.MaxReplicas, "must be greater than or equal to `minReplicas`")
				}
				if gv, err := schema.ParseGroupVersion(s.ScaleTargetRef.APIVersion); err != nil || gv.Group == "" {
					p.invalid(at.Child("scaleTargetRef", "apiVersion"), s.ScaleTargetRef.APIVersion, "must be a group and a version, like apps/v1")
				}
			}),
		of[autoscalingv2.CrossVersionObjectReference](f("kind", required, segment), f("name", required, segment)),
		of[autoscalingv2.HPAScalingRules](
			f("stabilizationWindowSeconds", between(0, maxStabilizationWindow)), f("policies", required), f("tolerance", quantity),
		),
		of[autoscalingv2.HPAScalingPolicy](f("type", required), f("value", positive), f("periodSeconds", between(1, maxScalingPeriod))),
		also(of[autoscalingv2.MetricSpec](f("type", required)), metric),
		of[autoscalingv2.MetricIdentifier](f("name", required, segment)),
		also(of[autoscalingv2.MetricTarget](f("type", required), f("averageUtilization", positive)),
			func(t *autoscalingv2.MetricTarget, at *field.Path, p *problems) {
				if t.Value != nil && t.Value.Sign() <= 0 {
					p.invalid(at.Child("value"), t.Value.String(), "must be greater than 0")
				}
				if t.AverageValue != nil && t.AverageValue.Sign() <= 0 {
					p.invalid(at.Child("averageValue"), t.AverageValue.String(), "must be greater than 0")
				}
			}),
	}
}

func apiVersion(version string, at *field.Path, p *problems) {
	if _, err := schema.ParseGroupVersion(version); err != nil {
		p.invalid(at.Child("apiVersion"), version, "must be a version or a group and a version, like apps/v1")
	}
}

// metric checks that what a metric is read from is what its type says.
func metric(m *autoscalingv2.MetricSpec, at *field.Path, p *problems) {
	for _, source := range []struct {
		name      string
		of        autoscalingv2.MetricSourceType
		specified bool
	}{
		{"object", autoscalingv2.ObjectMetricSourceType, m.Object != nil},
		{"external", autoscalingv2.ExternalMetricSourceType, m.External != nil},
		{"pods", autoscalingv2.PodsMetricSourceType, m.Pods != nil},
		{"resource", autoscalingv2.ResourceMetricSourceType, m.Resource != nil},
		{"containerResource", autoscalingv2.ContainerResourceMetricSourceType, m.ContainerResource != nil},
	} {
		switch is := m.Type == source.of; {
		case is && !source.specified:
			p.required(at.Child(source.name), "must be specified, as `type` says")
		case !is && source.specified:
			p.forbidden(at.Child(source.name), "may not be specified, as `type` is another")
		}
	}
	if s, at := m.Object, at.Child("object"); s != nil {
		apiVersion(s.DescribedObject.APIVersion, at.Child("describedObject"), p)
		valueOrAverage(&s.Target, at.Child("target"), p)
	}
	if s, at := m.External, at.Child("external", "target"); s != nil {
		valueOrAverage(&s.Target, at, p)
		if s.Target.Value != nil && s.Target.AverageValue != nil {
			p.forbidden(at.Child("value"), "may not be specified together with `averageValue`")
		}
	}
	if s := m.Pods; s != nil && s.Target.AverageValue == nil {
		p.required(at.Child("pods", "target", "averageValue"), "")
	}
	if s, at := m.Resource, at.Child("resource"); s != nil {
		if s.Name == "" {
			p.required(at.Child("name"), "")
		}
		utilization(&s.Target, at.Child("target"), p)
	}
	if s, at := m.ContainerResource, at.Child("containerResource"); s != nil {
		if s.Name == "" {
			p.required(at.Child("name"), "")
		} else {
			containerResourceName(s.Name, at.Child("name"), p)
		}
		if s.Container == "" {
			p.required(at.Child("container"), "")
		}
		utilization(&s.Target, at.Child("target"), p)
	}
}

func valueOrAverage(t *autoscalingv2.MetricTarget, at *field.Path, p *problems) {
	if t.Value == nil && t.AverageValue == nil {
		p.required(at.Child("averageValue"), "must be specified when `value` is not")
	}
}

func utilization(t *autoscalingv2.MetricTarget, at *field.Path, p *problems) {
	switch {
	case t.AverageUtilization == nil && t.AverageValue == nil:
		p.required(at.Child("averageUtilization"), "must be specified when `averageValue` is not")
	case t.AverageUtilization != nil && t.AverageValue != nil:
		p.forbidden(at.Child("averageValue"), "may not be specified together with `averageUtilization`")
	}
}

func autoscalerStatus(a, _ *autoscalingv2.HorizontalPodAutoscaler, p *problems) {
	counters(0, []counter{
		{"currentReplicas", int64(a.Status.CurrentReplicas), false}, {"desiredReplicas", int64(a.Status.DesiredReplicas), false},
	}, p)
}
