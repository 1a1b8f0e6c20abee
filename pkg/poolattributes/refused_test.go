// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package poolattributes

import "testing"

func TestRefused(t *testing.T) {
	cases := map[string]struct {
		reason  string
		ask     func(string) (string, bool)
		refused []string
		given   []string
	}{
		"Labels": {
			reason: "labels that describe a site are what pools are for; those that a kubelet may not choose are not",
			ask:    LabelRefused,
			refused: []string{
				"apps.openyurt.io/nodepool", "nodepool.openyurt.io/hostnetwork", "kubernetes.io/hostname", "kubernetes.io/os",
				"node-restriction.kubernetes.io/tenant", "a.node-restriction.kubernetes.io/tenant",
				"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/edge",
			},
			given: []string{
				"topology.kubernetes.io/zone", "node.kubernetes.io/exclude-from-external-load-balancers", "example.com/tier", "tier",
				"node-role.kubernetes.io", "xnode-restriction.kubernetes.io/tenant", "example.com/node-role.kubernetes.io/",
			},
		},
		"Annotations": {
			reason:  "annotations grant nothing",
			ask:     AnnotationRefused,
			refused: []string{"nodepool.openyurt.io/previous-attributes", "csi.volume.kubernetes.io/nodeid"},
			given:   []string{"example.com/note", "node-role.kubernetes.io/note"},
		},
		"Taints": {
			reason: "taints of conditions and roles keep pods from nodes that cannot or must not run them",
			ask:    TaintRefused,
			refused: []string{
				"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.cloudprovider.kubernetes.io/uninitialized",
				"node-role.kubernetes.io/control-plane", "node-restriction.kubernetes.io/tenant", "node.openyurt.io/unschedulable",
				"ToBeDeletedByClusterAutoscaler",
			},
			given: []string{"example.com/site", "site", "node.kubernetes.io"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, key := range tc.refused {
				if why, refused := tc.ask(key); !refused || why == "" {
					t.Errorf("%s: %s is refused: %v, %q", tc.reason, key, refused, why)
				}
			}
			for _, key := range tc.given {
				if why, refused := tc.ask(key); refused || why != "" {
					t.Errorf("%s: %s is refused: %v, %q", tc.reason, key, refused, why)
				}
			}
		})
	}
}
