// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/pkg/poolattributes"
)

// plan is the decision about one node.
type plan struct {
	// own are the labels and annotations to apply, without the record.
	own Set
	// before is the record found on the node, after the record to leave there.
	before, after Set
	// taints is the whole list that the node shall have, if retaint is true.
	taints  []corev1.Taint
	retaint bool
	// released are recorded keys that the pool no longer gives and that still
	// have the value it gave.
	released released
	// foreign describes what the pool asks for and somebody else has set.
	foreign []string
	// malformed is what is wrong with the record, if it cannot be read.
	malformed error
}

type released struct {
	labels, annotations []string
}

// newPlan decides from the node, its record and the pool's attributes what
// shall be done. An empty set is what a node in no pool gets.
func newPlan(node *corev1.Node, want Set) plan {
	var p plan
	p.before, p.malformed = recordOf(node)
	p.after.Pool = want.Pool
	p.own.Labels, p.after.Labels = p.mergeMap("label ", node.Labels, p.before.Labels, want.Labels, &p.released.labels)
	p.own.Annotations, p.after.Annotations = p.mergeMap("annotation ", node.Annotations, p.before.Annotations, want.Annotations, &p.released.annotations)
	p.mergeTaints(node.Spec.Taints, want.Taints)
	if _, recorded := node.Annotations[apps.AnnotationPreviousAttributes]; recorded && p.text() == "" {
		p.released.annotations = append(p.released.annotations, apps.AnnotationPreviousAttributes)
	}
	slices.Sort(p.foreign)
	return p
}

// recordOf reads what the pool has put on a node. If the record is gone or
// cannot be read, what this controller owns there by server-side apply takes
// its place; only taints are lost then, and stay. What a pool may not give is
// left out, whoever has written it there.
func recordOf(node *corev1.Node) (record Set, malformed error) {
	text, found := node.Annotations[apps.AnnotationPreviousAttributes]
	if found {
		if record, malformed = parseRecord(text); malformed == nil {
			return honoured(record), nil
		}
	}
	own := ownKeys(node)
	return honoured(Set{
		Labels:      subset(node.Labels, own.labels),
		Annotations: subset(node.Annotations, own.annotations),
	}), malformed
}

func subset(m map[string]string, keys sets.Set[string]) map[string]string {
	found := map[string]string{}
	for key := range keys {
		if value, ok := m[key]; ok {
			found[key] = value
		}
	}
	return found
}

// mergeMap decides about the labels, or the annotations.
func (p *plan) mergeMap(what string, live, before, want map[string]string, released *[]string) (own, after map[string]string) {
	own, after = map[string]string{}, map[string]string{}
	for key, value := range want {
		current, present := live[key]
		_, recorded := before[key]
		switch {
		case recorded, !present, key == poolattributes.LabelHostNetwork:
			own[key], after[key] = value, value
		case current == value:
			own[key] = value
		default:
			p.foreign = append(p.foreign, what+key)
		}
	}
	for key, value := range before {
		if _, wanted := want[key]; wanted {
			continue
		}
		if current, present := live[key]; present && current == value {
			*released = append(*released, key)
		}
	}
	slices.Sort(*released)
	return own, after
}

// mergeTaints decides about the taints. Those of others keep their place.
func (p *plan) mergeTaints(live, want []corev1.Taint) {
	for i := range live {
		taint := live[i]
		wanted := slot(want, &taint)
		switch {
		case wanted == nil:
			if hasTaint(p.before.Taints, &taint) {
				p.retaint = true // ours and no longer wanted: leave it out
				continue
			}
		case hasSlot(p.before.Taints, &taint):
			p.after.Taints = append(p.after.Taints, *wanted)
			if taint.Value != wanted.Value {
				taint = *wanted
				p.retaint = true
			}
		case taint.Value != wanted.Value:
			p.foreign = append(p.foreign, "taint "+taint.Key+":"+string(taint.Effect))
		}
		p.taints = append(p.taints, taint)
	}
	for i := range want {
		if !hasSlot(live, &want[i]) {
			p.taints = append(p.taints, want[i])
			p.after.Taints = append(p.after.Taints, want[i])
			p.retaint = true
		}
	}
}

// text is the record to leave on the node, or "" for none. A node that shares
// all of its pool's attributes with others gets a record, too, though an empty
// one: without it, what is shared would look like what the record has lost.
func (p *plan) text() string {
	if len(p.own.Labels)+len(p.own.Annotations)+len(p.after.Labels)+len(p.after.Annotations)+len(p.after.Taints) == 0 {
		return ""
	}
	return p.after.text()
}

// early is the record to write before the taints change, or "" if the present
// one covers them already.
func (p *plan) early() string {
	if !p.retaint {
		return ""
	}
	for i := range p.after.Taints {
		if !hasTaint(p.before.Taints, &p.after.Taints[i]) {
			return union(p.before, p.after).text()
		}
	}
	return ""
}

// releases says whether something may have to be taken away from another owner,
// which only the node's managedFields tell.
func (p *plan) releases() bool {
	return len(p.released.labels)+len(p.released.annotations) > 0
}

// applied says whether a node has the plan's labels and annotations and the
// given record, and this controller owns exactly these.
func (p *plan) applied(node *corev1.Node, record string) bool {
	annotations := p.annotations(record)
	own := ownKeys(node)
	return contains(node.Labels, p.own.Labels) && sameKeys(own.labels, p.own.Labels) &&
		contains(node.Annotations, annotations) && sameKeys(own.annotations, annotations)
}

// annotations to apply: the pool's and the given record, if any.
func (p *plan) annotations(record string) map[string]string {
	all := make(map[string]string, len(p.own.Annotations)+1)
	for key, value := range p.own.Annotations {
		all[key] = value
	}
	if record != "" {
		all[apps.AnnotationPreviousAttributes] = record
	}
	return all
}

func contains(have, want map[string]string) bool {
	for key, value := range want {
		if current, ok := have[key]; !ok || current != value {
			return false
		}
	}
	return true
}

func sameKeys(have sets.Set[string], want map[string]string) bool {
	if have.Len() != len(want) {
		return false
	}
	for key := range want {
		if !have.Has(key) {
			return false
		}
	}
	return true
}

// done says whether nothing needs to be written. That the record does not name
// the pool is no reason: otherwise, every node would be written at once when
// this controller takes over from one that did not know of the name.
func (p *plan) done(node *corev1.Node) bool {
	if p.retaint || p.releases() {
		return false
	}
	if p.before.Pool == "" && p.after.Pool != "" {
		unnamed := *p
		unnamed.after.Pool = ""
		if p.applied(node, unnamed.text()) {
			return true
		}
	}
	return p.applied(node, p.text())
}
