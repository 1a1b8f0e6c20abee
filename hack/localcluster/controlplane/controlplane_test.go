// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// childDir makes the test binary a program that starts a control plane in that
// folder and waits to be killed.
const childDir = "STEPPE_TEST_CONTROLPLANE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if _, err := Start(context.Background(), Config{Dir: dir}); err != nil {
			panic(err)
		}
		select {}
	}
	os.Exit(m.Run())
}

func startContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Minute, errors.New("not ready within 3 minutes"))
	t.Cleanup(cancel)
	return ctx
}

// ensure compiles outside the time limits of the tests.
func ensure(t *testing.T, names ...string) binaries.Set {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real control plane; not with -short")
	}
	set, err := binaries.Ensure(t.Context(), binaries.Options{}, names...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func client(t *testing.T, cp *ControlPlane) kubernetes.Interface {
	t.Helper()
	c, err := kubernetes.NewForConfig(cp.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTwoSideBySideThenRestart(t *testing.T) {
	set := ensure(t, binaries.ControlPlane()...)
	cps := make([]*ControlPlane, 2)
	dirs := []string{t.TempDir(), t.TempDir()}
	ctx := startContext(t)
	var wg sync.WaitGroup
	for i := range cps {
		wg.Go(func() {
			var err error
			if cps[i], err = Start(ctx, Config{Dir: dirs[i], Binaries: set}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, cp := range cps {
		if cp == nil {
			t.FailNow()
		}
		defer cp.Stop()
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "only-here"}}
	if _, err := client(t, cps[0]).CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, cps[1]).CoreV1().Namespaces().Get(ctx, "only-here", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the second control plane answered %v, want not found", err)
	}

	user, err := cps[0].UserConfig("alice")
	if err != nil {
		t.Fatal(err)
	}
	asAlice, err := kubernetes.NewForConfig(user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asAlice.CoreV1().Namespaces().List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without roles got %v, want forbidden", err)
	}
	headers, err := client(t, cps[0]).CoreV1().ConfigMaps("kube-system").Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if headers.Data["requestheader-client-ca-file"] == headers.Data["client-ca-file"] || headers.Data["requestheader-client-ca-file"] == "" {
		t.Errorf("the front proxy must have an authority of its own")
	}

	cps[0].Stop()
	cps[0].Stop() // does nothing
	again, err := Start(ctx, Config{Dir: dirs[0], Binaries: set})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	if _, err := client(t, again).CoreV1().Namespaces().Get(ctx, "only-here", metav1.GetOptions{}); err != nil {
		t.Errorf("after a restart in the same folder: %v", err)
	}
}

func TestControllerManagerAndScheduler(t *testing.T) {
	config := Config{Dir: t.TempDir(), ControllerManager: true, Scheduler: true, Fsync: true}
	config.Binaries = ensure(t, config.programs()...)
	cp, err := Start(startContext(t), config)
	if err != nil {
		t.Fatal(err)
	}
	cp.Stop()
}

func TestDeadProcessIsExplainedWithItsLog(t *testing.T) {
	set := ensure(t, binaries.ControlPlane()...)
	_, err := Start(startContext(t), Config{Dir: t.TempDir(), Binaries: set, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("started with a flag that does not exist")
	}
	for _, want := range []string{"kube-apiserver ended", "exit status 1", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}

func TestNothingSurvivesTheParent(t *testing.T) {
	ensure(t, binaries.ControlPlane()...)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "processes to appear", func() bool { return len(processesOf(t, dir)) == 2 })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	waitFor(t, "processes to be gone", func() bool { return len(processesOf(t, dir)) == 0 })
}

// processesOf returns the children whose command line names dir.
func processesOf(t *testing.T, dir string) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range paths {
		line, _ := os.ReadFile(path)
		if strings.Contains(string(line), dir) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestValidationNamesEveryField(t *testing.T) {
	_, err := Prepare(Config{Dir: "relative", Address: "localhost", ServiceCIDR: "10.96.0.0"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Dir must", "Address must", "ServiceCIDR must", "Binaries must name etcd"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}
