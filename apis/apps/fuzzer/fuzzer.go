// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fuzzer makes random but well-formed objects of apps.openyurt.io for
// round-trip tests.
package fuzzer

import (
	runtimeserializer "k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/randfill"

	"github.com/steppe-io/steppe/apis/apps"
)

// Funcs fills what plain random values would leave invalid: fields that are
// never empty once an object has been defaulted, and the annotation of host
// networking, which random keys would never hit.
func Funcs(_ runtimeserializer.CodecFactory) []any {
	return []any{
		func(pool *apps.NodePool, c randfill.Continue) {
			c.FillNoCustom(pool)
			if c.Bool() {
				if pool.Annotations == nil {
					pool.Annotations = map[string]string{}
				}
				pool.Annotations[apps.AnnotationHostNetwork] = []string{"true", "false", ""}[c.Intn(3)]
			}
		},
		func(spec *apps.NodePoolSpec, c randfill.Continue) {
			c.FillNoCustom(spec)
			spec.Type = []apps.NodePoolType{apps.Edge, apps.Cloud}[c.Intn(2)]
			spec.LeaderElectionStrategy = []apps.LeaderElectionStrategy{apps.ElectionStrategyMark, apps.ElectionStrategyRandom}[c.Intn(2)]
			spec.LeaderReplicas = 1 + c.Int31n(5)
		},
	}
}
