// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// TestOlderKubernetes has the kube-apiserver behave as the release before ours.
func TestOlderKubernetes(t *testing.T) {
	c := newCloud(t, "--emulated-version=1.35")
	server := newServer(t, c, "new", "--etcd-data-dir="+filepath.Join(c.Dir, "new"))
	register(t, c, server.Port, server)
	waitHealthy(t, server)
	pool := &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "old"}}
	if _, err := c.Steppe.AppsV1beta2().NodePools().Create(t.Context(), pool, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestDoesNotServeBesideCustomResources starts on a cluster of OpenYurt's.
func TestDoesNotServeBesideCustomResources(t *testing.T) {
	c := newCloud(t)
	crds := c.Dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	const name = "nodepools.apps.openyurt.io"
	if _, err := crds.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": "apps.openyurt.io", "scope": "Cluster",
			"names": map[string]any{"plural": "nodepools", "singular": "nodepool", "kind": "NodePool", "listKind": "NodePoolList"},
			"versions": []any{map[string]any{
				"name": "v1beta1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	server := newServer(t, c, "beside", "--etcd-data-dir="+filepath.Join(c.Dir, "beside"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.WaitExit(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the server ended with %v, want it to refuse", err)
	}
	if want := "CustomResourceDefinition " + name; !strings.Contains(server.Log(), want) {
		t.Errorf("the log does not name %q", want)
	}

	if err := crds.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	waitHealthy(t, server)
}
