// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steppe-io/steppe/apis/apps"
)

// What somebody tries who has heard of Steppe a minute ago, with nothing but
// kubectl.
func TestKubectlOfNewUser(t *testing.T) {
	requirePools(t)
	file := filepath.Join(t.TempDir(), "pool.yaml")
	const manifest = `apiVersion: apps.openyurt.io/v1beta2
kind: NodePool
metadata:
  name: e2e-kubectl
spec:
  type: Edge
  labels:
    e2e.example.com/site: north
`
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	deletePoolAtEnd(t, "e2e-kubectl")
	steps := []struct {
		name string
		args string
		want []string
	}{
		{"which kinds there are", "api-resources --api-group=apps.openyurt.io", []string{"nodepools", "np", "apps.openyurt.io/v1beta2", "NodePool"}},
		{"which pools there are", "get nodepools", []string{"READYNODES", "NOTREADYNODES", "hangzhou", "shanghai"}},
		{"one pool", "get np hangzhou -o yaml", []string{"apiVersion: apps.openyurt.io/v1beta2", "type: Edge", "- edge-1", "readyNodeNum: 1"}},
		{"one pool, for people", "describe np hangzhou", []string{"Ready Node Num:", "Events:"}},
		{"what the fields mean", "explain np.spec", []string{"taints", "are put on every node of the pool"}},
		{"what the status means", "explain nodepool.status.readyNodeNum", []string{"how many nodes of the pool are ready"}},
		{"the raw API", "get --raw /apis/apps.openyurt.io", []string{`"preferredVersion":{"groupVersion":"apps.openyurt.io/v1beta2"`}},
		{"a pool of one's own", "apply --server-side -f " + file, []string{"nodepool.apps.openyurt.io/e2e-kubectl serverside-applied"}},
		{"once more", "apply --server-side -f " + file, []string{"nodepool.apps.openyurt.io/e2e-kubectl serverside-applied"}},
		{"nothing differs", "diff --server-side -f " + file, nil},
		{"delete it", "delete -f " + file, []string{`"e2e-kubectl" deleted`}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			out, err := kubectl(t, "", strings.Fields(step.args)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range step.want {
				if !strings.Contains(out, want) {
					t.Errorf("kubectl %s does not print %q:\n%s", step.args, want, out)
				}
			}
		})
	}
}

// Somebody who watches pools in a terminal sees a node join and leave, and finds
// it among the Events of the pool.
func TestKubectlWatchesPool(t *testing.T) {
	requirePools(t)
	watch := kubectlCommand(t, "get", "nodepool", shanghai, "--watch", "--no-headers", "--output-watch-events")
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		for range lines { // until the reader has ended, before Wait closes its pipe
		}
		_ = watch.Wait() // the test's end has killed it
	})
	// Event, name, type, ready and unready nodes are the first columns.
	await := func(want ...string) {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("kubectl ended before it printed %q", want)
				}
				if fields := strings.Fields(line); len(fields) >= len(want) && slices.Equal(fields[:len(want)], want) {
					return
				}
			case <-limit:
				t.Fatalf("kubectl did not print %q", want)
			}
		}
	}
	await("ADDED", shanghai, "Edge", "1", "0")
	join(t, cluster.Edge(1), shanghai)
	await("MODIFIED", shanghai, "Edge", "2", "0")
	eventually(t, "the pool's description tells", func(context.Context) error {
		out, err := kubectl(t, "", "describe", "nodepool", shanghai)
		if err == nil && !strings.Contains(out, "Node edge-1 joined") {
			err = errors.New(out)
		}
		return err
	})
	if _, err := kubectl(t, "", "label", "node", "edge-1", apps.LabelNodePool+"-"); err != nil {
		t.Fatal(err)
	}
	await("MODIFIED", shanghai, "Edge", "1", "0")
}
