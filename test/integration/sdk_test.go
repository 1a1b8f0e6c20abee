// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// TestExampleProgram compiles and runs the integrator's example of docs/.
func TestExampleProgram(t *testing.T) {
	root, err := binaries.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	// Read here, so that cached results of this test do not outlive a change.
	if _, err := os.ReadFile(filepath.Join(root, "docs/examples/pools/main.go")); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "pools")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./docs/examples/pools")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	pool := poolName(t)
	deleteLater(t, pool)
	cmd := exec.CommandContext(t.Context(), program, "--kubeconfig", shared.Kubeconfig(), "--pool", pool)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	expect := func(want string) {
		t.Helper()
		for timeout := time.After(patience); ; {
			select {
			case line, ok := <-lines:
				if strings.HasPrefix(line, want) {
					return
				}
				if !ok {
					t.Fatalf("the program ended without printing %q", want)
				}
			case <-timeout:
				t.Fatalf("the program does not print %q", want)
			}
		}
	}
	expect("found " + pool + ": 0 of 0 nodes ready")
	patch := []byte(`{"spec":{"annotations":{"a":"b"}}}`)
	changed, err := shared.Steppe.AppsV1beta2().NodePools().Patch(t.Context(), pool, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := changed.Spec.Labels["example.com/site"]; got != pool {
		t.Errorf("the label that the program applies is %q", got)
	}
	expect("changed " + pool)
	if err := shared.Steppe.AppsV1beta2().NodePools().Delete(t.Context(), pool, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect("deleted " + pool)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for range lines { // until the program closes its output
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("after an interrupt: %v", err)
	}
}
