// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var eventDoc = corev1.Event{}.SwaggerDoc()

// Events are the columns of events, of the core group and of events.k8s.io: both
// are corev1.Event inside.
var Events = New(definitions{
	text("Last Seen", eventDoc["lastTimestamp"]),
	text("Type", eventDoc["type"]),
	text("Reason", eventDoc["reason"]),
	text("Object", eventDoc["involvedObject"]),
	wide(text("Subobject", corev1.ObjectReference{}.SwaggerDoc()["fieldPath"])),
	wide(text("Source", eventDoc["source"])),
	text("Message", eventDoc["message"]),
	wide(text("First Seen", eventDoc["firstTimestamp"])),
	wide(text("Count", eventDoc["count"])),
	wide(nameColumn),
}, func(event *corev1.Event) []any {
	first := since(event.FirstTimestamp)
	if event.FirstTimestamp.IsZero() {
		first = sinceMicro(event.EventTime)
	}
	last := since(event.LastTimestamp)
	if event.LastTimestamp.IsZero() {
		last = first
	}
	// An event of the newer API that happened once has neither count nor series.
	count := cmp.Or(event.Count, 1)
	if event.Series != nil {
		last = sinceMicro(event.Series.LastObservedTime)
		count = event.Series.Count
	}
	object := strings.ToLower(event.InvolvedObject.Kind)
	if event.InvolvedObject.Name != "" {
		object += "/" + event.InvolvedObject.Name
	}
	source := or(event.Source.Component, event.ReportingController)
	if instance := or(event.Source.Host, event.ReportingInstance); instance != "" {
		source += ", " + instance
	}
	return []any{
		last, event.Type, event.Reason, object, event.InvolvedObject.FieldPath, source,
		strings.TrimSpace(event.Message), first, int64(count), event.Name,
	}
})
