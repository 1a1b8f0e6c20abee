// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/poolattributes"
)

func TestDesired(t *testing.T) {
	cases := map[string]struct {
		reason  string
		spec    appsv1beta2.NodePoolSpec
		want    Set
		refused []string
	}{
		"Nothing": {reason: "most pools give nothing"},
		"Ordinary": {
			reason: "labels that describe a site are what pools are for, zones included",
			spec: appsv1beta2.NodePoolSpec{
				Labels:      labels{corev1.LabelTopologyZone: "hangzhou", "example.com/tier": ""},
				Annotations: labels{"Example.com/Note": "any text\nat all"},
				Taints:      taints("site=hangzhou:NoSchedule", "site=hangzhou:NoExecute"),
			},
			want: Set{
				Labels:      labels{corev1.LabelTopologyZone: "hangzhou", "example.com/tier": ""},
				Annotations: labels{"Example.com/Note": "any text\nat all"},
				Taints:      taints("site=hangzhou:NoSchedule", "site=hangzhou:NoExecute"),
			},
		},
		"HostNetwork": {
			reason: "the label follows the field and nothing else",
			spec:   appsv1beta2.NodePoolSpec{HostNetwork: true, Labels: labels{poolattributes.LabelHostNetwork: "false"}},
			want:   Set{Labels: labels{poolattributes.LabelHostNetwork: "true"}}, refused: []string{"label " + poolattributes.LabelHostNetwork},
		},
		"Membership": {
			reason: "a pool that moves its own nodes would never come to rest",
			spec: appsv1beta2.NodePoolSpec{
				Labels:      labels{apps.LabelNodePool: "other", "apps.openyurt.io/desired-nodepool": "other", "k": "v"},
				Annotations: labels{apps.AnnotationPreviousAttributes: "{}"},
			},
			want:    Set{Labels: labels{"k": "v"}},
			refused: []string{"annotation " + apps.AnnotationPreviousAttributes, "label apps.openyurt.io/desired-nodepool", "label " + apps.LabelNodePool},
		},
		"Machine": {
			reason:  "pods would be scheduled to machines that cannot run them",
			spec:    appsv1beta2.NodePoolSpec{Labels: labels{corev1.LabelHostname: "x", corev1.LabelArchStable: "arm64"}},
			refused: []string{"label kubernetes.io/arch", "label kubernetes.io/hostname"},
		},
		"Conditions": {
			reason: "taints of conditions come and go with these",
			spec:   appsv1beta2.NodePoolSpec{Taints: taints("node.kubernetes.io/not-ready:NoExecute", "node.openyurt.io/unschedulable=true:NoSchedule", "k:NoSchedule")},
			want:   Set{Taints: taints("k:NoSchedule")}, refused: []string{"taint node.kubernetes.io/not-ready:NoExecute", "taint node.openyurt.io/unschedulable=true:NoSchedule"},
		},
		"NotForKubelets": {
			reason: "a kubelet may choose its pool when it joins, but neither its role nor what NodeRestriction guards",
			spec: appsv1beta2.NodePoolSpec{
				Labels: labels{"node-restriction.kubernetes.io/tenant": "a", "node-role.kubernetes.io/control-plane": "", "k": "v"},
				Taints: taints("node-role.kubernetes.io/control-plane:NoSchedule"),
			},
			want: Set{Labels: labels{"k": "v"}},
			refused: []string{
				"label node-restriction.kubernetes.io/tenant", "label node-role.kubernetes.io/control-plane",
				"taint node-role.kubernetes.io/control-plane:NoSchedule",
			},
		},
		"Invalid": {
			reason: "one invalid value must not keep the node from all the others",
			spec: appsv1beta2.NodePoolSpec{
				Labels: labels{"a b": "v", "k": "not a value", "good": "v"}, Annotations: labels{"/": ""},
				Taints: taints("k:Sometimes", "k=v:NoSchedule", "k=w:NoSchedule"),
			},
			want:    Set{Labels: labels{"good": "v"}, Taints: taints("k=v:NoSchedule")},
			refused: []string{"annotation /", "label a b", "label k", "taint k:Sometimes", "taint k=w:NoSchedule"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, refused := desired(&appsv1beta2.NodePool{Spec: tc.spec})
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\n-want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.refused, refused, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\nrefused: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
