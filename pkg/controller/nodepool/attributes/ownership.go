// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// keys are the labels and annotations that one entry of managedFields owns.
type keys struct {
	labels, annotations sets.Set[string]
}

// ownKeys returns what this controller owns of a node by server-side apply. It
// works on nodes of the cache, too, which keeps our entries.
func ownKeys(node *corev1.Node) keys {
	if entry := ownEntry(node); entry != nil {
		return keysOf(entry)
	}
	return keys{}
}

func ownEntry(node *corev1.Node) *metav1.ManagedFieldsEntry {
	for i := range node.ManagedFields {
		if isOwn(&node.ManagedFields[i]) {
			return &node.ManagedFields[i]
		}
	}
	return nil
}

func isOwn(entry *metav1.ManagedFieldsEntry) bool {
	return entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

// keysOf reads the two maps that matter here out of an entry. An entry that is
// not understood owns nothing, which at worst leads to one more apply.
func keysOf(entry *metav1.ManagedFieldsEntry) keys {
	if entry.FieldsV1 == nil {
		return keys{}
	}
	var fields struct {
		Metadata struct {
			Labels      map[string]json.RawMessage `json:"f:labels"`
			Annotations map[string]json.RawMessage `json:"f:annotations"`
		} `json:"f:metadata"`
	}
	if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
		return keys{}
	}
	return keys{labels: fieldNames(fields.Metadata.Labels), annotations: fieldNames(fields.Metadata.Annotations)}
}

// fieldNames strips the prefix that marks a field name; the entry "." stands
// for the map itself.
func fieldNames(fields map[string]json.RawMessage) sets.Set[string] {
	names := sets.New[string]()
	for field := range fields {
		if name, ok := strings.CutPrefix(field, "f:"); ok {
			names.Insert(name)
		}
	}
	return names
}

// coOwners says who else owns a label or annotation.
type coOwners struct {
	own              bool // this controller does
	applier, updater bool // somebody else does, by apply or by update
}

// ownersOf needs a live node: the cache does not keep the entries of others.
func ownersOf(node *corev1.Node, of func(keys) sets.Set[string], key string) (owners coOwners) {
	for i := range node.ManagedFields {
		entry := &node.ManagedFields[i]
		if !of(keysOf(entry)).Has(key) {
			continue
		}
		switch {
		case isOwn(entry):
			owners.own = true
		case entry.Operation == metav1.ManagedFieldsOperationApply:
			owners.applier = true
		default:
			owners.updater = true
		}
	}
	return owners
}

func labelsOf(k keys) sets.Set[string]      { return k.labels }
func annotationsOf(k keys) sets.Set[string] { return k.annotations }

// stays says whether a key would stay on the node when this controller stops
// applying it, although nobody declares it: OpenYurt, or somebody's update to
// the same value, owns it too, or nobody at all.
func (o coOwners) stays() bool { return !o.applier && (o.updater || !o.own) }
