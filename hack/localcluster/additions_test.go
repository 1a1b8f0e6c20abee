// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

func TestProcessesAreAddedToAMachineThatIsOff(t *testing.T) {
	useStateRoot(t)
	m := (&Cluster{state: state{Name: "test"}}).Edge(1)
	if err := os.MkdirAll(m.dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.AddProcess(t.Context(), supervise.Process{Name: "x"}); err == nil {
		t.Error("added to a machine that was never made")
	}
	if err := (box.Spec{Hostname: m.Name, Processes: []supervise.Process{{Name: "kubelet"}}}).Write(m.specPath()); err != nil {
		t.Fatal(err)
	}
	added := func() (lines []string) {
		t.Helper()
		spec, err := box.ReadSpec(m.specPath())
		if err != nil {
			t.Fatal(err)
		}
		if len(spec.Processes) != 1 || spec.Hostname != m.Name {
			t.Errorf("the spec is now %+v", spec)
		}
		for _, p := range spec.Added {
			lines = append(lines, strings.Join(p.Argv, " "))
		}
		return lines
	}
	if err := m.AddProcess(t.Context(), supervise.Process{Name: "x", Argv: []string{"/x"}}); err != nil || !slices.Equal(added(), []string{"/x"}) {
		t.Errorf("one: %v, %q", err, added())
	}
	if err := m.AddProcess(t.Context(), supervise.Process{Name: "y", Argv: []string{"/y"}}); err != nil || !slices.Equal(added(), []string{"/x", "/y"}) {
		t.Errorf("another: %v, %q", err, added())
	}
	if err := m.AddProcess(t.Context(), supervise.Process{Name: "x", Argv: []string{"/x", "-v"}}); err != nil || !slices.Equal(added(), []string{"/y", "/x -v"}) {
		t.Errorf("one of the same name: %v, %q", err, added())
	}
	if err := m.AddProcess(t.Context(), supervise.Process{Name: "kubelet"}); err == nil || len(added()) != 2 {
		t.Errorf("one of the machine's own: %v, %q", err, added())
	}
	for range 2 {
		if err := m.RemoveProcess(t.Context(), "y"); err != nil || !slices.Equal(added(), []string{"/x -v"}) {
			t.Errorf("removed: %v, %q", err, added())
		}
	}
}

func TestPointAtChangesTheServerAlone(t *testing.T) {
	ca, err := pki.EnsureAuthority(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Ensure(t.TempDir(), "client", pki.Request{CommonName: "system:node:edge-1"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := pki.Kubeconfig("test", "https://10.77.0.10:6443", ca, client)
	if err != nil {
		t.Fatal(err)
	}
	after, err := pointAt(before, "https://10.77.0.11:10273")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(after)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://10.77.0.11:10273" || string(config.CertData) != string(client.CertPEM) || string(config.CAData) != string(ca.CertPEM) {
		t.Errorf("got %s", after)
	}
	if back, err := pointAt(after, "https://10.77.0.10:6443"); err != nil || string(back) != string(before) {
		t.Errorf("there and back is not the same: %v\n%s\n%s", err, before, back)
	}
	if _, err := pointAt([]byte("{"), "https://x"); err == nil {
		t.Error("no error for what is no kubeconfig")
	}
}
