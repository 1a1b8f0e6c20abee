// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v2

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

const (
	// cpuUtilization that is aimed at, in percent.
	cpuUtilization = 80
	// policyPeriod is the time, in seconds, in which a policy allows its
	// change.
	policyPeriod = 15
)

// SetDefaults_HorizontalPodAutoscaler aims at a utilization of the CPU if
// nothing else is aimed at, and completes the behavior if there is one.
func SetDefaults_HorizontalPodAutoscaler(autoscaler *autoscalingv2.HorizontalPodAutoscaler) {
	spec := &autoscaler.Spec
	fill.Nil(&spec.MinReplicas, 1)
	if len(spec.Metrics) == 0 {
		utilization := int32(cpuUtilization)
		spec.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &utilization},
			},
		}}
	}
	if spec.Behavior != nil {
		setScaleUp(&spec.Behavior.ScaleUp)
		setScaleDown(&spec.Behavior.ScaleDown)
	}
	dropMetricsAnnotations(autoscaler.Annotations)
}

// setScaleUp lets the pods double, or four be added, every 15 seconds.
func setScaleUp(rules **autoscalingv2.HPAScalingRules) {
	fill.Nil(rules, autoscalingv2.HPAScalingRules{})
	fill.Nil(&(*rules).StabilizationWindowSeconds, 0)
	fill.Nil(&(*rules).SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if (*rules).Policies == nil {
		(*rules).Policies = []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: policyPeriod},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: policyPeriod},
		}
	}
}

// setScaleDown lets all pods go. How long it waits for is the controller's to
// say, whose command line sets it.
func setScaleDown(rules **autoscalingv2.HPAScalingRules) {
	fill.Nil(rules, autoscalingv2.HPAScalingRules{})
	fill.Nil(&(*rules).SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if (*rules).Policies == nil {
		(*rules).Policies = []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: policyPeriod},
		}
	}
}

// dropMetricsAnnotations drops what v1 keeps in annotations for want of the
// fields that v2 has.
func dropMetricsAnnotations(annotations map[string]string) {
	if len(annotations) == 0 {
		return
	}
	delete(annotations, "autoscaling.alpha.kubernetes.io/metrics")
	delete(annotations, "autoscaling.alpha.kubernetes.io/behavior")
	delete(annotations, "autoscaling.alpha.kubernetes.io/current-metrics")
	delete(annotations, "autoscaling.alpha.kubernetes.io/conditions")
}
