// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	statusWrites = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "yurt_manager_nodepool_status_writes_total",
		Help: "Writes of the status of node pools.",
	})

	registerOnce sync.Once
)

// registerMetrics uses controller-runtime's registry, which is what the manager
// serves.
func registerMetrics() {
	registerOnce.Do(func() { metrics.Registry.MustRegister(statusWrites) })
}
