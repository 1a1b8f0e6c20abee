// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
	"github.com/steppe-io/steppe/test/process"
)

// carried is what a cluster has given: a list as kubectl prints it, and a document.
const carried = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: site, uid: 11111111-1111-1111-1111-111111111111, creationTimestamp: "2020-01-01T00:00:00Z", resourceVersion: "77"}
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
- apiVersion: v1
  kind: Pod
  metadata: {name: web, namespace: site, uid: 22222222-2222-2222-2222-222222222222, creationTimestamp: "2020-01-01T00:00:00Z"}
  spec:
    nodeName: edge-1
    containers: [{name: main, image: example.com/web}]
  status: {phase: Running, podIP: 10.0.0.7}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: edge-1, namespace: kube-node-lease, uid: 33333333-3333-3333-3333-333333333333}
spec: {holderIdentity: edge-1, leaseDurationSeconds: 40}
`

// Objects that are carried to a site keep what makes them the same objects.
func TestLoadKeepsIdentity(t *testing.T) {
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.Dir, "carried.yaml")
	if err := os.WriteFile(file, []byte(carried), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (string, error) {
		loader := process.New(pool.Program, filepath.Join(t.TempDir(), "load.log"), "load", "--data-dir", p.DataDir(), "--filename", file)
		if err := loader.Start(); err != nil {
			return "", err
		}
		err := loader.WaitExit(t.Context())
		return loader.Log(), err
	}
	for range 2 { // the second changes nothing
		if log, err := load(); err != nil || !strings.Contains(log, "3 objects loaded") {
			t.Fatalf("%v: %s", err, log)
		}
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	pod, err := client.CoreV1().Pods("site").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pod.UID != "22222222-2222-2222-2222-222222222222" || pod.CreationTimestamp.Year() != 2020 || pod.Status.PodIP != "10.0.0.7" {
		t.Errorf("the pod is now %+v", pod)
	}
	lease, err := client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), "edge-1", metav1.GetOptions{})
	if err != nil || lease.UID != "33333333-3333-3333-3333-333333333333" {
		t.Errorf("the lease is now %+v, %v", lease, err)
	}

	if log, err := load(); err == nil || !strings.Contains(log, "in use") {
		t.Errorf("beside a running coordinator it ends with %v: %s", err, log)
	}
}

func TestLoadSaysWhatItCannot(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"no such kind": {"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n", "Widget"},
		"no object":    {"hello: world\n", "Kind"},
		"nonsense":     {"{{{", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "f.yaml")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			loader := process.New(pool.Program, filepath.Join(dir, "log"), "load", "--data-dir", filepath.Join(dir, "data"), "-f", file)
			if err := loader.Start(); err != nil {
				t.Fatal(err)
			}
			err := loader.WaitExit(t.Context())
			if log := loader.Log(); err == nil || !strings.Contains(log, c.want) || !strings.Contains(log, file) {
				t.Errorf("it ends with %v, and says %s", err, log)
			}
		})
	}
}
