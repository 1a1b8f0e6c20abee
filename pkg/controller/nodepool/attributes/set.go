// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Set is a set of labels, annotations and taints. Its JSON is the value of the
// record annotation, and must stay as OpenYurt has it; OpenYurt ignores fields
// that it does not know, and drops them when it writes.
type Set struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Taints of a record can hold two values for one key and effect, while a
	// change from one to the other is under way.
	Taints []corev1.Taint `json:"taints,omitempty"`
	// Pool is the name of the pool that gives all this, or has begun to. It is
	// empty in OpenYurt's records.
	Pool string `json:"pool,omitempty"`
}

// isOf says whether a record can be that of a pool. One that names no pool can
// be any pool's.
func (s Set) isOf(pool string) bool { return s.Pool == "" || s.Pool == pool }

func parseRecord(text string) (Set, error) {
	var record Set
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return Set{}, fmt.Errorf("parse the record of pool attributes: %w", err)
	}
	return record, nil
}

// text returns the canonical form of a record: equal sets have equal texts.
func (s Set) text() string {
	s.Taints = slices.Clone(s.Taints)
	slices.SortFunc(s.Taints, func(a, b corev1.Taint) int {
		return strings.Compare(taintString(&a), taintString(&b))
	})
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and maps of strings always marshal
	}
	return string(data)
}

// union returns a set with everything of both. Where they differ in the value
// of a label or annotation, newer wins; taints are kept with both values. It is
// of newer's pool: if that is lost in the middle, too much stays rather than too
// little.
func union(older, newer Set) Set {
	both := Set{
		Labels:      map[string]string{},
		Annotations: map[string]string{},
		Taints:      slices.Clone(older.Taints),
		Pool:        newer.Pool,
	}
	maps.Copy(both.Labels, older.Labels)
	maps.Copy(both.Labels, newer.Labels)
	maps.Copy(both.Annotations, older.Annotations)
	maps.Copy(both.Annotations, newer.Annotations)
	for i := range newer.Taints {
		if !hasTaint(both.Taints, &newer.Taints[i]) {
			both.Taints = append(both.Taints, newer.Taints[i])
		}
	}
	return both
}

// sameSlot says whether two taints are one in the eyes of Kubernetes: a node
// has at most one taint of a key and effect.
func sameSlot(a, b *corev1.Taint) bool { return a.Key == b.Key && a.Effect == b.Effect }

// hasTaint looks for a taint with the same key, effect and value. When it was
// added does not matter.
func hasTaint(taints []corev1.Taint, t *corev1.Taint) bool {
	return slices.ContainsFunc(taints, func(o corev1.Taint) bool { return sameSlot(&o, t) && o.Value == t.Value })
}

// hasSlot looks for a taint with the same key and effect.
func hasSlot(taints []corev1.Taint, t *corev1.Taint) bool { return slot(taints, t) != nil }

func slot(taints []corev1.Taint, t *corev1.Taint) *corev1.Taint {
	for i := range taints {
		if sameSlot(&taints[i], t) {
			return &taints[i]
		}
	}
	return nil
}

// taintString writes a taint as kubectl does.
func taintString(t *corev1.Taint) string { return t.ToString() }
