// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
)

// A coordinator with damaged data throws nothing away that the cloud may not have:
// it refuses to start, and says why and what to do. Where the cloud has everything,
// it sets the data aside and begins anew.
func TestDamagedData(t *testing.T) {
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	start := func() {
		t.Helper()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	start()
	defer func() { p.Kill() }()
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "site"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	database := filepath.Join(p.DataDir(), "etcd", "member", "snap", "db")
	file, err := os.OpenFile(database, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(strings.Repeat("nonsense", 4096)), 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitExit(t.Context()); err == nil || !strings.Contains(p.Log(), "may have changes that the cloud has not") {
		t.Fatalf("it ended with %v: %s", err, p.Log())
	}
	if _, err := os.Stat(database); err != nil {
		t.Fatalf("the damaged data is gone: %v", err)
	}

	if err := os.Remove(filepath.Join(p.DataDir(), "unsynced")); err != nil {
		t.Fatal(err)
	}
	start()
	if !strings.Contains(p.Log(), "Set damaged data aside") {
		t.Errorf("nothing tells what happened: %s", p.Log())
	}
	list, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("it begins with %v, %v", list, err)
	}
	aside, err := filepath.Glob(filepath.Join(p.DataDir(), "etcd.damaged-*"))
	if err != nil || len(aside) != 1 {
		t.Errorf("set aside are %v, %v", aside, err)
	}
}
