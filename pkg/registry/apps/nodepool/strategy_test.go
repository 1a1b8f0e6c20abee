// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/steppe-io/steppe/apis/apps"
)

func TestWarnings(t *testing.T) {
	cases := []struct {
		name, reason string
		spec         apps.NodePoolSpec
		want         []string // the beginnings of the warnings, in order
	}{
		{
			name: "nothing to warn of", reason: "ordinary attributes are put on nodes",
			spec: apps.NodePoolSpec{
				Labels:      map[string]string{"site": "west"},
				Annotations: map[string]string{"owner": "ops"},
				Taints:      []corev1.Taint{{Key: "edge", Effect: corev1.TaintEffectNoSchedule}},
			},
		},
		{
			name: "no leader", reason: "it is valid, for OpenYurt takes it",
			spec: apps.NodePoolSpec{LeaderElectionStrategy: apps.ElectionStrategyMark},
			want: []string{"spec.leaderNodeLabelSelector: "},
		},
		{
			name: "refused attributes", reason: "else only an Event on each node would tell, later",
			spec: apps.NodePoolSpec{
				Labels:      map[string]string{apps.LabelNodePool: "other", "kubernetes.io/hostname": "same"},
				Annotations: map[string]string{apps.AnnotationPreviousAttributes: "{}"},
				Taints:      []corev1.Taint{{Key: "site"}, {Key: "node.kubernetes.io/unschedulable"}},
			},
			want: []string{"spec.labels[apps.openyurt.io/nodepool]: ", "spec.labels[kubernetes.io/hostname]: ", "spec.annotations[nodepool.openyurt.io/previous-attributes]: ", "spec.taints[1].key: "},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := warnings(&apps.NodePool{Spec: c.spec})
			if len(got) != len(c.want) {
				t.Fatalf("%s: got %q, want %q", c.reason, got, c.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("%s: got %q, want %q", c.reason, got[i], c.want[i])
				}
			}
		})
	}
}
