// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"

	"github.com/steppe-io/steppe/apis/apps"
)

// TestDecode holds what manifests of OpenYurt's versions mean.
func TestDecode(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	decoder := serializer.NewCodecFactory(scheme).UniversalDecoder(apps.SchemeGroupVersion)

	cases := []struct {
		name, reason string
		manifest     string
		want         apps.NodePoolSpec
		annotations  map[string]string
		err          string
	}{
		{
			name:     "v1beta2 defaults",
			reason:   "an empty spec is an edge pool that elects one leader at random",
			manifest: "{apiVersion: apps.openyurt.io/v1beta2, kind: NodePool, spec: {leaderReplicas: -1}}",
			want:     apps.NodePoolSpec{Type: apps.Edge, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
		},
		{
			name:     "v1beta1 defaults",
			reason:   "what v1beta1 cannot say is what an empty v1beta2 spec means",
			manifest: "{apiVersion: apps.openyurt.io/v1beta1, kind: NodePool}",
			want:     apps.NodePoolSpec{Type: apps.Edge, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
		},
		{
			name:     "v1beta1 field",
			reason:   "OpenYurt ignores this field; we do not",
			manifest: "{apiVersion: apps.openyurt.io/v1beta1, kind: NodePool, spec: {hostNetwork: true}}",
			want:     apps.NodePoolSpec{Type: apps.Edge, HostNetwork: true, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
		},
		{
			name:        "v1beta1 annotation",
			reason:      "this is where OpenYurt reads host networking from",
			manifest:    "{apiVersion: apps.openyurt.io/v1beta1, kind: NodePool, metadata: {annotations: {nodepool.openyurt.io/hostnetwork: 'true'}}}",
			want:        apps.NodePoolSpec{Type: apps.Edge, HostNetwork: true, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
			annotations: map[string]string{apps.AnnotationHostNetwork: "true"},
		},
		{
			name:     "v1alpha1 annotation",
			reason:   "v1alpha1 has no field for host networking",
			manifest: "{apiVersion: apps.openyurt.io/v1alpha1, kind: NodePool, metadata: {annotations: {nodepool.openyurt.io/hostnetwork: 'true'}}, spec: {type: Edge}}",
			want:     apps.NodePoolSpec{Type: apps.Edge, HostNetwork: true, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
		},
		{
			name:     "field beats conversion data",
			reason:   "an annotation copied from another version must not override what this version says",
			manifest: "{apiVersion: apps.openyurt.io/v1beta2, kind: NodePool, metadata: {annotations: {apps.openyurt.io/conversion-data: '{\"leaderReplicas\":5,\"interConnectivity\":true}'}}}",
			want:     apps.NodePoolSpec{Type: apps.Edge, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
		},
		{
			name:        "broken conversion data",
			reason:      "it stays for validation to refuse: dropping it silently would lose fields",
			manifest:    "{apiVersion: apps.openyurt.io/v1beta1, kind: NodePool, metadata: {annotations: {apps.openyurt.io/conversion-data: nonsense}}}",
			want:        apps.NodePoolSpec{Type: apps.Edge, LeaderElectionStrategy: apps.ElectionStrategyRandom, LeaderReplicas: 1},
			annotations: map[string]string{apps.AnnotationConversionData: "nonsense"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			manifest, err := yaml.YAMLToJSON([]byte(c.manifest))
			if err != nil {
				t.Fatal(err)
			}
			obj, err := runtime.Decode(decoder, manifest)
			if err != nil {
				t.Fatal(err)
			}
			pool := obj.(*apps.NodePool)
			if diff := cmp.Diff(c.want, pool.Spec); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if diff := cmp.Diff(c.annotations, pool.Annotations); diff != "" {
				t.Errorf("%s: annotations (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}
