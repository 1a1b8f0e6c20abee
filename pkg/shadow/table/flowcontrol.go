// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"cmp"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

var (
	flowSchemaSpecDoc = flowcontrolv1.FlowSchemaSpec{}.SwaggerDoc()
	queuingDoc        = flowcontrolv1.QueuingConfiguration{}.SwaggerDoc()
)

// FlowSchemas are the columns of flowschemas.flowcontrol.apiserver.k8s.io. They
// are listed in the order in which requests are matched.
var FlowSchemas = sorted(New(definitions{
	nameColumn,
	text("PriorityLevel", flowcontrolv1.PriorityLevelConfigurationReference{}.SwaggerDoc()["name"]),
	text("MatchingPrecedence", flowSchemaSpecDoc["matchingPrecedence"]),
	text("DistinguisherMethod", flowSchemaSpecDoc["distinguisherMethod"]),
	ageColumn,
	text("MissingPL", "Whether the priority level is missing"),
}, func(schema *flowcontrolv1.FlowSchema) []any {
	method := none
	if m := schema.Spec.DistinguisherMethod; m != nil {
		method = string(m.Type)
	}
	return []any{
		schema.Name, schema.Spec.PriorityLevelConfiguration.Name, int64(schema.Spec.MatchingPrecedence), method,
		age(schema), dangling(schema),
	}
}), func(a, b *flowcontrolv1.FlowSchema) int {
	return cmp.Or(cmp.Compare(a.Spec.MatchingPrecedence, b.Spec.MatchingPrecedence), cmp.Compare(a.Name, b.Name))
})

func dangling(schema *flowcontrolv1.FlowSchema) string {
	for _, c := range schema.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			return string(c.Status)
		}
	}
	return "?"
}

// PriorityLevelConfigurations are the columns of prioritylevelconfigurations.flowcontrol.apiserver.k8s.io.
var PriorityLevelConfigurations = New(definitions{
	nameColumn,
	text("Type", flowcontrolv1.PriorityLevelConfigurationSpec{}.SwaggerDoc()["type"]),
	text("NominalConcurrencyShares", flowcontrolv1.LimitedPriorityLevelConfiguration{}.SwaggerDoc()["nominalConcurrencyShares"]),
	text("Queues", queuingDoc["queues"]),
	text("HandSize", queuingDoc["handSize"]),
	text("QueueLengthLimit", queuingDoc["queueLengthLimit"]),
	ageColumn,
}, func(level *flowcontrolv1.PriorityLevelConfiguration) []any {
	var shares, queues, hand, length any = none, none, none, none
	if limited := level.Spec.Limited; limited != nil {
		if limited.NominalConcurrencyShares != nil {
			shares = int64(*limited.NominalConcurrencyShares)
		}
		if q := limited.LimitResponse.Queuing; q != nil {
			queues, hand, length = int64(q.Queues), int64(q.HandSize), int64(q.QueueLengthLimit)
		}
	}
	return []any{level.Name, string(level.Spec.Type), shares, queues, hand, length, age(level)}
})
