// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps"
)

func validPool() *apps.NodePool {
	return &apps.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "hangzhou"},
		Spec: apps.NodePoolSpec{
			Type:                   apps.Edge,
			LeaderElectionStrategy: apps.ElectionStrategyRandom,
			LeaderReplicas:         1,
			Labels:                 map[string]string{"site": "west"},
			Annotations:            map[string]string{"example.com/owner": "anything goes\nhere"},
			Taints: []corev1.Taint{
				{Key: "edge", Value: "yes", Effect: corev1.TaintEffectNoSchedule},
				{Key: "edge", Value: "yes", Effect: corev1.TaintEffectNoExecute},
			},
			PoolScopeMetadata: []metav1.GroupVersionResource{{Version: "v1", Resource: "services"}},
		},
	}
}

func TestValidateNodePool(t *testing.T) {
	cases := []struct {
		name, reason string
		change       func(*apps.NodePool)
		want         string // empty if it is valid
	}{
		{"valid", "everything is as it should be", func(*apps.NodePool) {}, ""},
		{"mark without selector", "OpenYurt takes it, so do we, with a warning", func(p *apps.NodePool) { p.Spec.LeaderElectionStrategy = apps.ElectionStrategyMark }, ""},
		{"edge with host network", "edge pools may", func(p *apps.NodePool) { p.Spec.HostNetwork = true }, ""},
		{"no name", "a pool is referred to by name", func(p *apps.NodePool) { p.Name = "" }, "metadata.name: Required"},
		{"upper-case name", "names are DNS names", func(p *apps.NodePool) { p.Name = "Hangzhou" }, "lowercase RFC 1123 subdomain"},
		{"longest name", "63 is what a label's value may have", func(p *apps.NodePool) { p.Name = strings.Repeat("a", 63) }, ""},
		{"too long a name", "no node could be labelled with it", func(p *apps.NodePool) { p.Name = strings.Repeat("a", 64) }, "must be no more than 63"},
		{"namespace", "pools are cluster-scoped", func(p *apps.NodePool) { p.Namespace = "default" }, "metadata.namespace: Forbidden"},
		{"no type", "defaults have been applied before", func(p *apps.NodePool) { p.Spec.Type = "" }, "spec.type: Required"},
		{"cloud with host network", "cloud nodes have a pod network", func(p *apps.NodePool) { p.Spec.Type, p.Spec.HostNetwork = apps.Cloud, true }, "spec.hostNetwork"},
		{"bad label", "no node could take it", func(p *apps.NodePool) { p.Spec.Labels["a b"] = "c" }, "spec.labels: Invalid value: \"a b\""},
		{"bad label value", "no node could take it", func(p *apps.NodePool) { p.Spec.Labels["a"] = "b c" }, "spec.labels: Invalid value: \"b c\""},
		{"bad selector", "no node could match", func(p *apps.NodePool) { p.Spec.LeaderNodeLabelSelector = map[string]string{"a b": "c"} }, "spec.leaderNodeLabelSelector"},
		{"bad annotation", "no node could take it", func(p *apps.NodePool) { p.Spec.Annotations["a b"] = "" }, "spec.annotations: Invalid value: \"a b\""},
		{"taint without key", "a node needs one", func(p *apps.NodePool) { p.Spec.Taints[0].Key = "" }, "spec.taints[0].key"},
		{"taint without effect", "a node needs one", func(p *apps.NodePool) { p.Spec.Taints[1].Effect = "" }, "spec.taints[1].effect: Required"},
		{"taint with bad value", "no node could take it", func(p *apps.NodePool) { p.Spec.Taints[0].Value = "a b" }, "spec.taints[0].value"},
		{"same taint twice", "key and effect make a taint", func(p *apps.NodePool) { p.Spec.Taints[1].Effect = corev1.TaintEffectNoSchedule }, "spec.taints[1]: Duplicate value: \"edge:NoSchedule\""},
		{"resource without version", "it could not be read", func(p *apps.NodePool) { p.Spec.PoolScopeMetadata[0].Version = "" }, "spec.poolScopeMetadata[0].version: Required"},
		{"resource without name", "it could not be read", func(p *apps.NodePool) { p.Spec.PoolScopeMetadata[0].Resource = "" }, "spec.poolScopeMetadata[0].resource: Required"},
		{"same resource twice", "one entry is meant", func(p *apps.NodePool) {
			p.Spec.PoolScopeMetadata = append(p.Spec.PoolScopeMetadata, p.Spec.PoolScopeMetadata[0])
		}, "spec.poolScopeMetadata[1]: Duplicate"},
		{"negative count", "a count", func(p *apps.NodePool) { p.Status.ReadyNodeNum = -1 }, "status.readyNodeNum: Invalid value: -1"},
		{"same condition twice", "type makes a condition", func(p *apps.NodePool) {
			p.Status.Conditions = []apps.NodePoolCondition{{Type: "A", Status: "True"}, {Type: "A", Status: "False"}}
		}, "status.conditions[1].type: Duplicate"},
		{"same leader twice", "a node leads once", func(p *apps.NodePool) {
			p.Status.LeaderEndpoints = []apps.Leader{{NodeName: "a"}, {NodeName: "a"}}
		}, "status.leaderEndpoints[1].nodeName: Duplicate"},
		{"condition without status", "it says nothing", func(p *apps.NodePool) { p.Status.Conditions = []apps.NodePoolCondition{{Type: "A"}} }, "status.conditions[0].status: Required"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			pool := validPool()
			c.change(pool)
			err := ValidateNodePool(pool).ToAggregate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: got %v", c.reason, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s: got %v, want %q", c.reason, err, c.want)
			}
		})
	}
}

func TestValidateNodePoolUpdate(t *testing.T) {
	cases := []struct {
		name, reason string
		change       func(*apps.NodePool)
		want         string
	}{
		{"leaders", "they may change at any time", func(p *apps.NodePool) {
			p.Spec.EnableLeaderElection, p.Spec.LeaderReplicas, p.Spec.PoolScopeMetadata = true, 3, nil
		}, ""},
		{"type", "nodes were set up for it", func(p *apps.NodePool) { p.Spec.Type = apps.Cloud }, "spec.type: Invalid value: \"Cloud\": field is immutable"},
		{"host network", "nodes were set up for it", func(p *apps.NodePool) { p.Spec.HostNetwork = true }, "spec.hostNetwork"},
		{"interconnectivity", "nodes were set up for it", func(p *apps.NodePool) { p.Spec.InterConnectivity = true }, "spec.interConnectivity"},
		{"name", "it identifies the pool", func(p *apps.NodePool) { p.Name = "other" }, "metadata.name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			old, pool := validPool(), validPool()
			old.ResourceVersion, pool.ResourceVersion = "1", "1"
			c.change(pool)
			err := ValidateNodePoolUpdate(pool, old).ToAggregate()
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.reason, err, c.want)
			}
		})
	}
}
