// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of Events that have an eventTime.
const (
	maxEventText = 128
	maxEventNote = 1024
)

// event checks Events of both groups. Older ones, without an eventTime, may say
// nearly anything.
func event(e *corev1.Event, p *problems) {
	involved, modern := field.NewPath("involvedObject", "namespace"), !e.EventTime.IsZero()
	cluster := e.Namespace == metav1.NamespaceDefault || !modern && e.Namespace == metav1.NamespaceNone || modern && e.Namespace == metav1.NamespaceSystem
	switch {
	case e.InvolvedObject.Namespace == "" && !cluster:
		p.invalid(involved, "", "must be the namespace of the Event")
	case !modern && e.InvolvedObject.Namespace != "" && e.InvolvedObject.Namespace != e.Namespace:
		p.invalid(involved, e.InvolvedObject.Namespace, "must be the namespace of the Event")
	}
	if !modern {
		return
	}
	if e.ReportingController == "" {
		p.required(field.NewPath("reportingComponent"), "")
	} else {
		p.each(field.NewPath("reportingComponent"), e.ReportingController, validation.IsQualifiedName(e.ReportingController))
	}
	for _, text := range []struct {
		name, value string
		limit       int
		must        bool
	}{
		{"reportingInstance", e.ReportingInstance, maxEventText, true},
		{"action", e.Action, maxEventText, true},
		{"reason", e.Reason, maxEventText, true},
		{"message", e.Message, maxEventNote, false},
	} {
		if text.must && text.value == "" {
			p.required(field.NewPath(text.name), "")
		}
		if len(text.value) > text.limit {
			p.add(field.TooLong(field.NewPath(text.name), "", text.limit))
		}
	}
}
