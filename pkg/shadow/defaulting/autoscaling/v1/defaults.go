// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"encoding/json"

	autoscalingv1 "k8s.io/api/autoscaling/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

const (
	// cpuUtilization that is aimed at, in percent.
	cpuUtilization = 80
	// otherMetrics holds, in v1, the metrics that are no target utilization of
	// the CPU.
	otherMetrics = "autoscaling.alpha.kubernetes.io/metrics"
)

// SetDefaults_HorizontalPodAutoscaler aims at a utilization of the CPU if
// nothing else is aimed at.
func SetDefaults_HorizontalPodAutoscaler(autoscaler *autoscalingv1.HorizontalPodAutoscaler) {
	fill.Nil(&autoscaler.Spec.MinReplicas, 1)
	if autoscaler.Spec.TargetCPUUtilizationPercentage == nil && !hasOtherMetrics(autoscaler) {
		fill.Nil(&autoscaler.Spec.TargetCPUUtilizationPercentage, cpuUtilization)
	}
}

// hasOtherMetrics takes what it cannot read for none.
func hasOtherMetrics(autoscaler *autoscalingv1.HorizontalPodAutoscaler) bool {
	text, found := autoscaler.Annotations[otherMetrics]
	if !found {
		return false
	}
	var metrics []autoscalingv1.MetricSpec
	return json.Unmarshal([]byte(text), &metrics) == nil && len(metrics) > 0
}
