// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// AddVersion adds the versioned types alone.
func AddVersion(scheme *runtime.Scheme) {
	utilruntime.Must(metricsv1beta1.AddToScheme(scheme))
}

// AddToScheme adds the types, as a version and as the hub.
func AddToScheme(scheme *runtime.Scheme) error {
	if err := metricsv1beta1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("adding %s: %w", metricsv1beta1.SchemeGroupVersion, err)
	}
	scheme.AddKnownTypes(schema.GroupVersion{Group: metricsv1beta1.GroupName, Version: runtime.APIVersionInternal},
		&metricsv1beta1.NodeMetrics{},
		&metricsv1beta1.NodeMetricsList{},
		&metricsv1beta1.PodMetrics{},
		&metricsv1beta1.PodMetricsList{},
	)
	return nil
}
