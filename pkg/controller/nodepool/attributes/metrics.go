// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The metrics live in controller-runtime's registry: it is what the manager
// serves, with the metrics of queues, workers and clients in it already.
var (
	nodeWrites = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "yurt_manager_nodepool_node_writes_total",
		Help: "Writes of pool attributes to nodes, by kind: \"apply\" for labels and annotations, \"merge\" for taints and for what apply cannot remove.",
	}, []string{"kind"})

	registerOnce sync.Once
)

var writeKinds = map[types.PatchType]string{
	types.ApplyPatchType: "apply",
	types.MergePatchType: "merge",
}

func registerMetrics() {
	registerOnce.Do(func() {
		for _, kind := range writeKinds {
			nodeWrites.WithLabelValues(kind) // begin at zero, visibly
		}
		metrics.Registry.MustRegister(nodeWrites)
	})
}
