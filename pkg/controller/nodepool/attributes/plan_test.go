// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/pkg/poolattributes"
)

type labels = map[string]string

func taint(text string) corev1.Taint {
	// key=value:Effect, as kubectl writes it
	var t corev1.Taint
	for i, c := range text {
		switch {
		case c == '=':
			t.Key, t.Value = text[:i], text[i+1:]
		case c == ':' && t.Key == "":
			t.Key, t.Effect = text[:i], corev1.TaintEffect(text[i+1:])
		case c == ':':
			t.Value, t.Effect = text[len(t.Key)+1:i], corev1.TaintEffect(text[i+1:])
		}
	}
	return t
}

func taints(texts ...string) (all []corev1.Taint) {
	for _, text := range texts {
		all = append(all, taint(text))
	}
	return all
}

// owning returns the entry of this controller in managedFields.
func owning(fields string) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{
		Manager: FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields),
	}}
}

func TestPlanOfMaps(t *testing.T) {
	cases := map[string]struct {
		reason   string
		live     labels
		record   labels
		want     labels
		own      labels
		after    labels
		released []string
		foreign  []string
	}{
		"Absent": {
			reason: "what nobody has set is set and recorded",
			want:   labels{"k": "v"},
			own:    labels{"k": "v"}, after: labels{"k": "v"},
		},
		"Present": {
			reason: "what is there with the same value is shared, and not recorded as the pool's",
			live:   labels{"k": "v"}, want: labels{"k": "v"},
			own: labels{"k": "v"},
		},
		"Foreign": {
			reason: "a value from elsewhere is not clobbered",
			live:   labels{"k": "theirs"}, want: labels{"k": "v"},
			foreign: []string{"label k"},
		},
		"Drifted": {
			reason: "a recorded key is the pool's, whatever it has become",
			live:   labels{"k": "drifted"}, record: labels{"k": "v"}, want: labels{"k": "v"},
			own: labels{"k": "v"}, after: labels{"k": "v"},
		},
		"Removed": {
			reason: "a recorded key that is gone is put back",
			record: labels{"k": "v"}, want: labels{"k": "v"},
			own: labels{"k": "v"}, after: labels{"k": "v"},
		},
		"NewValue": {
			reason: "the pool may change its own value",
			live:   labels{"k": "v"}, record: labels{"k": "v"}, want: labels{"k": "w"},
			own: labels{"k": "w"}, after: labels{"k": "w"},
		},
		"SharedThenNewValue": {
			reason: "a shared value stays theirs when the pool changes its mind",
			live:   labels{"k": "v"}, want: labels{"k": "w"},
			foreign: []string{"label k"},
		},
		"Dropped": {
			reason: "what the pool no longer gives goes, what others have stays",
			live:   labels{"k": "v", "other": "o"}, record: labels{"k": "v"},
			released: []string{"k"},
		},
		"DroppedAfterDrift": {
			reason: "a value that somebody has put there instead is theirs when the pool lets go",
			live:   labels{"k": "theirs"}, record: labels{"k": "v"},
		},
		"DroppedAndGone": {
			reason: "what is gone already need not be taken away",
			record: labels{"k": "v"},
		},
		"HostNetwork": {
			reason: "only pools set this label, so one that OpenYurt's webhook has set is the pool's",
			live:   labels{poolattributes.LabelHostNetwork: "true"}, want: labels{poolattributes.LabelHostNetwork: "true"},
			own: labels{poolattributes.LabelHostNetwork: "true"}, after: labels{poolattributes.LabelHostNetwork: "true"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var p plan
			var got []string
			own, after := p.mergeMap("label ", tc.live, tc.record, tc.want, &got)
			for what, diff := range map[string]string{
				"own":      cmp.Diff(tc.own, own, cmpopts.EquateEmpty()),
				"after":    cmp.Diff(tc.after, after, cmpopts.EquateEmpty()),
				"released": cmp.Diff(tc.released, got, cmpopts.EquateEmpty()),
				"foreign":  cmp.Diff(tc.foreign, p.foreign, cmpopts.EquateEmpty()),
			} {
				if diff != "" {
					t.Errorf("\n%s\n%s: -want, +got:\n%s", tc.reason, what, diff)
				}
			}
		})
	}
}

func TestPlanOfTaints(t *testing.T) {
	now := metav1.Now()
	cases := map[string]struct {
		reason  string
		live    []corev1.Taint
		record  []corev1.Taint
		want    []corev1.Taint
		taints  []corev1.Taint
		retaint bool
		after   []corev1.Taint
		foreign []string
		early   bool
	}{
		"Absent": {
			reason: "a new taint is appended, so that those of others keep their place, and recorded first",
			live:   taints("other=o:NoSchedule"), want: taints("k=v:NoExecute"),
			taints: taints("other=o:NoSchedule", "k=v:NoExecute"), retaint: true,
			after: taints("k=v:NoExecute"), early: true,
		},
		"Foreign": {
			reason: "the same key and effect with another value from elsewhere is left alone",
			live:   taints("k=theirs:NoSchedule"), want: taints("k=v:NoSchedule"),
			taints:  taints("k=theirs:NoSchedule"),
			foreign: []string{"taint k:NoSchedule"},
		},
		"OtherEffect": {
			reason: "the same key with another effect is another taint",
			live:   taints("k=v:NoSchedule"), want: taints("k=v:NoExecute"),
			taints: taints("k=v:NoSchedule", "k=v:NoExecute"), retaint: true,
			after: taints("k=v:NoExecute"), early: true,
		},
		"Present": {
			reason: "an equal taint from elsewhere is shared, whenever it was added",
			live:   []corev1.Taint{{Key: "k", Effect: "NoExecute", TimeAdded: &now}}, want: taints("k:NoExecute"),
			taints: []corev1.Taint{{Key: "k", Effect: "NoExecute", TimeAdded: &now}},
		},
		"InPlace": {
			reason: "a recorded and present taint needs no write",
			live:   taints("k=v:NoSchedule"), record: taints("k=v:NoSchedule"), want: taints("k=v:NoSchedule"),
			taints: taints("k=v:NoSchedule"), after: taints("k=v:NoSchedule"),
		},
		"Drifted": {
			reason: "a recorded taint gets its value back, at its place, and is covered by the record",
			live:   taints("k=drift:NoSchedule", "other:NoSchedule"), record: taints("k=v:NoSchedule"), want: taints("k=v:NoSchedule"),
			taints: taints("k=v:NoSchedule", "other:NoSchedule"), retaint: true,
			after: taints("k=v:NoSchedule"),
		},
		"NewValue": {
			reason: "until the change is done, the record covers both values",
			live:   taints("k=v:NoSchedule"), record: taints("k=v:NoSchedule"), want: taints("k=w:NoSchedule"),
			taints: taints("k=w:NoSchedule"), retaint: true,
			after: taints("k=w:NoSchedule"), early: true,
		},
		"Dropped": {
			reason: "a recorded taint goes when it is no longer wanted, others stay",
			live:   taints("k=v:NoSchedule", "other:NoSchedule"), record: taints("k=v:NoSchedule"),
			taints: taints("other:NoSchedule"), retaint: true,
		},
		"DroppedAfterInterruptedChange": {
			reason: "with both values in the record, whichever is there is the pool's",
			live:   taints("k=v:NoSchedule"), record: taints("k=v:NoSchedule", "k=w:NoSchedule"),
			retaint: true,
		},
		"DroppedAfterDrift": {
			reason: "a value that somebody has put there instead is theirs when the pool lets go",
			live:   taints("k=theirs:NoSchedule"), record: taints("k=v:NoSchedule"),
			taints: taints("k=theirs:NoSchedule"),
		},
		"Removed": {
			reason: "a recorded taint that is gone is put back; the record needs no change first",
			record: taints("k=v:NoSchedule"), want: taints("k=v:NoSchedule"),
			taints: taints("k=v:NoSchedule"), retaint: true,
			after: taints("k=v:NoSchedule"),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := plan{before: Set{Taints: tc.record}}
			p.mergeTaints(tc.live, tc.want)
			for what, diff := range map[string]string{
				"taints":  cmp.Diff(tc.taints, p.taints, cmpopts.EquateEmpty()),
				"retaint": cmp.Diff(tc.retaint, p.retaint),
				"after":   cmp.Diff(tc.after, p.after.Taints, cmpopts.EquateEmpty()),
				"foreign": cmp.Diff(tc.foreign, p.foreign, cmpopts.EquateEmpty()),
				"early":   cmp.Diff(tc.early, p.early() != ""),
			} {
				if diff != "" {
					t.Errorf("\n%s\n%s: -want, +got:\n%s", tc.reason, what, diff)
				}
			}
		})
	}
}

func TestRecordOf(t *testing.T) {
	const fields = `{"f:metadata":{"f:annotations":{".":{},"f:a":{},"f:` + apps.AnnotationPreviousAttributes + `":{}},"f:labels":{".":{},"f:k":{},"f:gone":{}}}}`
	cases := map[string]struct {
		reason    string
		record    *string
		managed   []metav1.ManagedFieldsEntry
		want      Set
		malformed bool
	}{
		"None":      {reason: "a node that never was in a pool has nothing of one"},
		"OpenYurts": {reason: "OpenYurt's record is understood", record: new(`{"labels":{"k":"v"},"taints":[{"key":"t","effect":"NoSchedule"}]}`), want: Set{Labels: labels{"k": "v"}, Taints: taints("t:NoSchedule")}},
		"Empty":     {reason: "an empty record says that everything is shared", record: new("{}"), managed: owning(fields)},
		"Lost":      {reason: "what we own takes the place of a lost record", managed: owning(fields), want: Set{Labels: labels{"k": "v"}, Annotations: labels{"a": "b"}}},
		"Malformed": {reason: "and of one that cannot be read", record: new(`{"labels":`), managed: owning(fields), want: Set{Labels: labels{"k": "v"}, Annotations: labels{"a": "b"}}, malformed: true},
		"Unowned":   {reason: "without ownership nothing is known", record: new("nonsense"), malformed: true},
		"Forged": {
			reason: "what no pool may give is not a pool's, whatever a record says",
			record: new(`{"labels":{"k":"v","node-restriction.kubernetes.io/tenant":"a","node-role.kubernetes.io/worker":"","nodepool.openyurt.io/hostnetwork":"true"},` +
				`"annotations":{"csi.volume.kubernetes.io/nodeid":"{}","a":"b"},"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"},` +
				`{"key":"node-role.kubernetes.io/control-plane","effect":"NoSchedule"},{"key":"t","effect":"NoSchedule"}]}`),
			want: Set{Labels: labels{"k": "v", poolattributes.LabelHostNetwork: "true"}, Annotations: labels{"a": "b"}, Taints: taints("t:NoSchedule")},
		},
		"BadFields": {reason: "an entry that is not understood owns nothing", managed: owning(`{"f:metadata":1}`)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels{"k": "v"}, Annotations: labels{"a": "b"}, ManagedFields: tc.managed}}
			if tc.record != nil {
				node.Annotations[apps.AnnotationPreviousAttributes] = *tc.record
			}
			got, malformed := recordOf(node)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s", tc.reason, diff)
			}
			if (malformed != nil) != tc.malformed {
				t.Errorf("\n%s\nmalformed is %v", tc.reason, malformed)
			}
		})
	}
}

func TestIsOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		record string
		want   bool
	}{
		"Same":    {"the pool that the label names", `{"pool":"p"}`, true},
		"Other":   {"the node has moved", `{"pool":"q"}`, false},
		"Unnamed": {"OpenYurt's records could be of any pool", `{}`, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			record, err := parseRecord(tc.record)
			if err != nil {
				t.Fatal(err)
			}
			if got := record.isOf("p"); got != tc.want {
				t.Errorf("%s: isOf is %v", tc.reason, got)
			}
		})
	}
}

func TestStays(t *testing.T) {
	cases := map[string]struct {
		reason string
		owners coOwners
		want   bool
	}{
		"OnlyWe":      {"apply removes what only we own", coOwners{own: true}, false},
		"AlsoUpdater": {"what OpenYurt has set by update would stay for ever", coOwners{own: true, updater: true}, true},
		"OnlyUpdater": {"as well if we never applied it", coOwners{updater: true}, true},
		"Nobody":      {"or if managedFields have been cleared", coOwners{}, true},
		"Applier":     {"what another applier declares is wanted", coOwners{own: true, applier: true}, false},
		"All":         {"also if somebody updated it, too", coOwners{own: true, applier: true, updater: true}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.owners.stays(); got != tc.want {
				t.Errorf("%s: stays is %v", tc.reason, got)
			}
		})
	}
}

func TestRecordTextIsCanonical(t *testing.T) {
	a := Set{Labels: labels{"a": "1", "b": "2"}, Taints: taints("x:NoSchedule", "k=v:NoExecute")}
	b := Set{Labels: labels{"b": "2", "a": "1"}, Taints: taints("k=v:NoExecute", "x:NoSchedule"), Annotations: labels{}}
	if a.text() != b.text() {
		t.Errorf("equal sets have the texts\n%s\n%s", a.text(), b.text())
	}
	if a.Taints[0].Key != "x" {
		t.Error("writing a set has sorted its taints")
	}
	if got := union(Set{Pool: "old"}, Set{Pool: "new"}).text(); got != `{"pool":"new"}` {
		t.Errorf("a change that is under way is recorded as %s", got)
	}
	const openYurt = `{"labels":{"a":"1","b":"2"},"taints":[{"key":"k","value":"v","effect":"NoExecute"},{"key":"x","effect":"NoSchedule"}]}`
	if a.text() != openYurt {
		t.Errorf("got %s, want OpenYurt's format %s", a.text(), openYurt)
	}
}
