// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// kubectl runs the real kubectl against one server.
type kubectl struct {
	binary, kubeconfig, cache string
	env                       []string
}

func newKubectl(t *testing.T, kubeconfig string) *kubectl {
	t.Helper()
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	return &kubectl{binary: programs[binaries.Kubectl], kubeconfig: kubeconfig, cache: t.TempDir()}
}

// kubeconfigOf writes an access to the pool's server.
func kubeconfigOf(t *testing.T, user string, groups ...string) string {
	t.Helper()
	dir := t.TempDir()
	pair, err := shared.CA.Ensure(dir, "user", pki.Request{CommonName: user, Organization: groups})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kubeconfig")
	if err := pki.WriteKubeconfig(path, "steppe", shared.URL(), shared.CA, pair); err != nil {
		t.Fatal(err)
	}
	return path
}

// command prepares a run. Arguments may not have spaces in them.
func (k *kubectl) command(ctx context.Context, stdin, args string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.binary, append(strings.Fields(args), "--kubeconfig="+k.kubeconfig, "--cache-dir="+k.cache)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), k.env...)
	return cmd
}

// run returns what kubectl prints, on both of its outputs.
func (k *kubectl) run(ctx context.Context, stdin, args string) (string, error) {
	out, err := k.command(ctx, stdin, args).CombinedOutput()
	return string(out), err
}

// varying is what differs between two runs on one server, and what stands for it.
var varying = []struct {
	pattern *regexp.Regexp
	stand   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`(resourceVersion"?: ?"?|Resource Version:\s+)\d+`), "${1}N"},
	{regexp.MustCompile(`X509SHA256=[0-9a-f]+`), "X509"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)`), "TIME"},
	{regexp.MustCompile(`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}`), "TIME"},
	{regexp.MustCompile(`(\s)<?(\d+m)?\d+s>?( ago)?(\s|$)`), "${1}AGE${4}"},
	{regexp.MustCompile(`<invalid>`), "AGE"},
	{regexp.MustCompile(`https://127\.0\.0\.1:\d+`), "URL"},
	{regexp.MustCompile(`10\.\d+\.\d+\.\d+`), "IP"},
	{regexp.MustCompile(`kubectl-edit-[a-z0-9]+|/tmp/\S+`), "FILE"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// steady returns an output without what varies.
func steady(output string) string {
	for _, v := range varying {
		output = v.pattern.ReplaceAllString(output, v.stand)
	}
	return output
}

// TestKubectl does what users do, step by step. Where there is a kube-apiserver, it
// has to answer the same.
func TestKubectl(t *testing.T) {
	ours := newKubectl(t, kubeconfigOf(t, "kubernetes-admin", "system:masters"))
	var theirs *kubectl
	if !testing.Short() {
		c, err := cluster()
		if err != nil {
			t.Fatal(err)
		}
		theirs = newKubectl(t, c.Kubeconfig())
	}
	for _, k := range []*kubectl{ours, theirs} {
		if k != nil {
			k.env = []string{"KUBE_EDITOR=" + editor(t)}
		}
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			out, err := ours.run(t.Context(), s.stdin, s.args)
			if (err != nil) != s.fails {
				t.Errorf("kubectl %s: %v\n%.2000s", s.args, err, out)
			}
			for _, want := range s.want {
				if !strings.Contains(out, want) {
					t.Errorf("kubectl %s does not print %q:\n%.2000s", s.args, want, out)
				}
			}
			if theirs == nil || s.poolAlone {
				return
			}
			reference, err := theirs.run(t.Context(), s.stdin, s.args)
			if (err != nil) != s.fails {
				t.Errorf("with a kube-apiserver, kubectl %s: %v\n%.2000s", s.args, err, reference)
			}
			if diff := cmp.Diff(steady(reference), steady(out)); diff != "" && !s.differs {
				t.Errorf("kubectl %s prints other things than with a kube-apiserver (-) there:\n%s", s.args, diff)
			}
		})
	}
}

// editor returns a program that does what a user does in an editor.
func editor(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sed -i 's/colour: blue/colour: green/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKubectlKnowsTheSameResources compares the lists of resources: what the pool
// has is as it is in a cluster, and nothing is missing without a reason.
func TestKubectlKnowsTheSameResources(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane; not with -short")
	}
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	const args = "api-resources --no-headers -o wide"
	lines := func(k *kubectl) []string {
		out, err := k.run(t.Context(), "", args)
		if err != nil {
			t.Fatalf("kubectl %s: %v\n%s", args, err, out)
		}
		return slices.DeleteFunc(strings.Split(steady(strings.TrimSpace(out)), "\n"), func(line string) bool {
			// In a cluster, metrics are of the metrics-server.
			return strings.Contains(line, "example.com/") || strings.Contains(line, "openyurt.io/") || strings.Contains(line, "metrics.k8s.io/")
		})
	}
	ours, theirs := lines(newKubectl(t, kubeconfigOf(t, "kubernetes-admin", "system:masters"))), lines(newKubectl(t, c.Kubeconfig()))
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			t.Errorf("a kube-apiserver has no %q", line)
		}
	}
	// Priority and fairness, and aggregation, are not for pools. The rest is of
	// controllers in the cloud.
	missing := []string{"componentstatuses", "apiservices", "flowschemas", "prioritylevelconfigurations"}
	for _, line := range theirs {
		name, _, _ := strings.Cut(line, " ")
		if !slices.Contains(ours, line) && !slices.Contains(missing, name) {
			t.Errorf("the pool has no %q", line)
		}
	}
}

// TestKubectlWatches follows changes as they happen.
func TestKubectlWatches(t *testing.T) {
	k := newKubectl(t, kubeconfigOf(t, "kubernetes-admin", "system:masters"))
	namespace := newNamespace(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out lockedBuffer
	watching := k.command(ctx, "", "get configmaps --watch --output-watch-events --no-headers -n "+namespace)
	watching.Stdout, watching.Stderr = &out, &out
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"create configmap watched", "label configmap watched a=b", "delete configmap watched"} {
		if _, err := k.run(ctx, "", args+" -n "+namespace); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "kubectl shows all changes", func() error {
		var events []string
		for _, line := range strings.Split(out.String(), "\n") {
			if event, rest, ok := strings.Cut(line, " "); ok && strings.Contains(rest, "watched") {
				events = append(events, event)
			}
		}
		// A watch that opened late begins with what is there.
		if n := len(events); n == 0 || events[n-1] != "DELETED" {
			return &incomplete{out.String()}
		}
		return nil
	})
	cancel()
	_ = watching.Wait() // it was killed
}

type incomplete struct{ output string }

func (e *incomplete) Error() string { return "so far it is:\n" + e.output }

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
