// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

const (
	matchingPrecedence = 1000
	concurrencyShares  = 30
	queues             = 64
	handSize           = 8
	queueLengthLimit   = 50
)

// SetDefaults_FlowSchemaSpec gives way to schemas that have a precedence below
// 1000.
func SetDefaults_FlowSchemaSpec(spec *flowcontrolv1.FlowSchemaSpec) {
	fill.Zero(&spec.MatchingPrecedence, matchingPrecedence)
}

// SetDefaults_LimitedPriorityLevelConfiguration lends none of its seats.
func SetDefaults_LimitedPriorityLevelConfiguration(level *flowcontrolv1.LimitedPriorityLevelConfiguration) {
	fill.Nil(&level.NominalConcurrencyShares, concurrencyShares)
	fill.Nil(&level.LendablePercent, 0)
}

// SetDefaults_ExemptPriorityLevelConfiguration reserves no seats.
func SetDefaults_ExemptPriorityLevelConfiguration(level *flowcontrolv1.ExemptPriorityLevelConfiguration) {
	fill.Nil(&level.NominalConcurrencyShares, 0)
	fill.Nil(&level.LendablePercent, 0)
}

// SetDefaults_QueuingConfiguration sizes the queues.
func SetDefaults_QueuingConfiguration(queuing *flowcontrolv1.QueuingConfiguration) {
	fill.Zero(&queuing.Queues, queues)
	fill.Zero(&queuing.HandSize, handSize)
	fill.Zero(&queuing.QueueLengthLimit, queueLengthLimit)
}
