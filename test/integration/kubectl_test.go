// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// TestKubectl does what a user does, with the real kubectl.
func TestKubectl(t *testing.T) {
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	kubectl := func(stdin string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), programs[binaries.Kubectl], append(args, "--kubeconfig="+shared.Kubeconfig(), "--cache-dir="+t.TempDir())...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	deleteLater(t, "kubectl-old")
	deleteLater(t, "kubectl-new")
	const (
		oldest = `{apiVersion: apps.openyurt.io/v1alpha1, kind: NodePool, metadata: {name: kubectl-old}, spec: {type: Edge, taints: [{key: a, value: b, effect: NoSchedule}]}}`
		old    = `{apiVersion: apps.openyurt.io/v1beta1, kind: NodePool, metadata: {name: kubectl-old}, spec: {type: Edge, labels: {site: west}}}`
		newest = `{apiVersion: apps.openyurt.io/v1beta2, kind: NodePool, metadata: {name: kubectl-new}, spec: {type: Cloud, leaderReplicas: 2}}`
		wrong  = `{apiVersion: apps.openyurt.io/v1beta2, kind: NodePool, metadata: {name: kubectl-wrong}, spec: {tpye: Cloud}}`
	)
	cases := []struct {
		name  string
		stdin string
		args  string
		fails bool
		want  []string
	}{
		{name: "apply the oldest version", stdin: oldest, args: "apply -f -", want: []string{"Warning: apps.openyurt.io/v1alpha1 NodePool is deprecated in v1.0.0+", "kubectl-old created"}},
		{name: "apply it again", stdin: oldest, args: "apply -f -", want: []string{"kubectl-old unchanged"}},
		{name: "apply another version", stdin: old, args: "apply -f -", want: []string{"kubectl-old configured"}},
		{name: "apply by the server", stdin: newest, args: "apply --server-side -f -", want: []string{"kubectl-new serverside-applied"}},
		{name: "no difference", stdin: newest, args: "diff --server-side -f -", want: []string{""}},
		{name: "misspelt field", stdin: wrong, args: "apply -f -", fails: true, want: []string{`unknown field "spec.tpye"`}},
		{name: "get by short name", args: "get np kubectl-new", want: []string{"NAME", "TYPE", "READYNODES", "NOTREADYNODES", "LEADERNODES", "LEADERELECTIONAGE", "AGE", "Cloud"}},
		{name: "get by category", args: "get yurt", want: []string{"kubectl-new"}},
		{name: "get an old version", args: "get nodepools.v1beta1.apps.openyurt.io kubectl-new", want: []string{"NOTREADYNODES"}},
		{name: "get as YAML", args: "get np kubectl-new -o yaml", want: []string{"apiVersion: apps.openyurt.io/v1beta2", "leaderReplicas: 2", "nodepool.openyurt.io/type: cloud"}},
		{name: "describe", args: "describe np kubectl-new", want: []string{"Leader Replicas:", "Events:"}},
		{name: "explain", args: "explain np.spec", want: []string{"poolScopeMetadata", "leaderReplicas", "how many leaders the pool has"}},
		{name: "explain an old version", args: "explain nodepools.spec --api-version=apps.openyurt.io/v1alpha1", want: []string{"selector", "kept for old manifests"}},
		{name: "explain a type of Kubernetes", args: "explain np.spec.taints", want: []string{"<[]Taint>", "effect"}},
		{name: "resources", args: "api-resources --api-group=apps.openyurt.io", want: []string{"nodepools", "np", "apps.openyurt.io/v1beta2", "false"}},
		{name: "raw discovery", args: "get --raw /apis/apps.openyurt.io", want: []string{`"preferredVersion":{"groupVersion":"apps.openyurt.io/v1beta2"`}},
		{name: "select", args: "get np -l nodepool.openyurt.io/type=cloud -o name", want: []string{"nodepool.apps.openyurt.io/kubectl-new"}},
		{name: "wait", args: "wait np kubectl-new --for=jsonpath={.spec.leaderReplicas}=2 --timeout=60s", want: []string{"condition met"}},
		{name: "unknown pool", args: "get np nowhere", fails: true, want: []string{`nodepools.apps.openyurt.io "nowhere" not found`}},
		{name: "delete", args: "delete np kubectl-new kubectl-old", want: []string{`"kubectl-new" deleted`, `"kubectl-old" deleted`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := kubectl(c.stdin, strings.Fields(c.args)...)
			if (err != nil) != c.fails {
				t.Fatalf("kubectl %s: %v\n%s", c.args, err, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("kubectl %s does not print %q:\n%s", c.args, want, out)
				}
			}
		})
	}
}
