// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
	"github.com/steppe-io/steppe/test/process"
)

const (
	// encrypted is an EncryptionConfiguration.
	encrypted = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets, widgets.crash.example.com]
    providers:
      - aescbc: {keys: [{name: key, secret: c2VjcmV0IGlzIHNlY3VyZSwgb3IgaXMgaXQ/ISEhISE=}]}
`
	// Nobody who has the disk is to find these.
	inSecret, inWidget = "what-is-in-the-secret", "what-is-in-the-widget"

	secretManifest = `apiVersion: v1
kind: Secret
metadata: {namespace: crash, name: carried, uid: 11111111-1111-1111-1111-111111111111, creationTimestamp: "2020-01-01T00:00:00Z"}
data: {password: %s}
type: Opaque
`
)

// What is to be encrypted is never on the disk as it is, whichever way it came:
// custom resources too, and what was loaded.
func TestEncryptsWhatItIsToldTo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "encryption.yaml")
	if err := os.WriteFile(file, []byte(encrypted), 0o600); err != nil {
		t.Fatal(err)
	}
	flag := "--encryption-provider-config=" + file
	p, err := pool.New(pool.Config{Dir: filepath.Join(dir, "pool"), Args: []string{flag}})
	if err != nil {
		t.Fatal(err)
	}
	load := func() {
		t.Helper()
		manifest := filepath.Join(dir, "secret.yaml")
		content := fmt.Sprintf(secretManifest, base64.StdEncoding.EncodeToString([]byte(inSecret)))
		if err := os.WriteFile(manifest, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		loader := process.New(pool.Program, filepath.Join(dir, "load.log"), "load", "--data-dir", p.DataDir(), "--filename", manifest, flag)
		if err := loader.Start(); err != nil {
			t.Fatal(err)
		}
		if err := loader.WaitExit(t.Context()); err != nil {
			t.Fatalf("%v: %s", err, loader.Log())
		}
	}
	load()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if _, err := p.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	objects := dynamic.NewForConfigOrDie(config)
	prepareKinds(t, objects)
	widget := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": widgets.GroupVersion().String(), "kind": "Widget", "metadata": map[string]any{"name": "w"},
		"spec": map[string]any{"value": inWidget},
	}}
	if _, err := objects.Resource(widgets).Namespace(crashNamespace).Create(t.Context(), widget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret, err := kubernetes.NewForConfigOrDie(config).CoreV1().Secrets(crashNamespace).Get(t.Context(), "carried", metav1.GetOptions{})
	if err != nil || string(secret.Data["password"]) != inSecret {
		t.Errorf("the secret is %+v, %v", secret, err)
	}
	p.Stop()
	load() // over one that is encrypted

	for _, plain := range []string{inSecret, inWidget} {
		if where := findInFiles(t, p.DataDir(), plain); where != "" {
			t.Errorf("%s is in %s", plain, where)
		}
	}
	if findInFiles(t, p.DataDir(), "k8s:enc:aescbc:v1:key:") == "" {
		t.Error("nothing is encrypted")
	}
}

// findInFiles returns a file that has the text.
func findInFiles(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
