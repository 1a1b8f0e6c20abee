// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// What kubectl does with running containers goes through the coordinator to the
// kubelet, whose certificate is of the cluster's CA.
func testOperations(t *testing.T, s *site) {
	const name = "site-operated"
	s.run(t, withTools(testPod(cluster.Edge(2), name, "serve")))

	t.Run("logs", func(t *testing.T) {
		for args, want := range map[string]string{
			name:                                  "serving on port 8080\n",
			name + " --limit-bytes=7":             "serving",
			name + " --timestamps":                "Z serving on port 8080\n",
			name + " --container=main --since=1h": "serving on port 8080\n",
		} {
			out, err := s.kubectl(t, "", append([]string{"logs"}, strings.Fields(args)...)...)
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("kubectl logs %s: %q, %v", args, out, err)
			}
		}
		if out, err := s.kubectl(t, "", "logs", name, "--previous"); err == nil || !strings.Contains(err.Error(), "previous terminated container") {
			t.Errorf("logs of a life that was not: %q, %v", out, err)
		}
	})
	t.Run("logs that are followed", func(t *testing.T) {
		lines := start(t, s.kubectlCommand(t, "logs", "--follow", "--tail=1", name))
		if _, err := s.exec(t.Context(), name, "/testimage", "get", "http://127.0.0.1:8080/followed"); err != nil {
			t.Fatal(err)
		}
		awaitLine(t, lines, "GET /followed")
	})
	t.Run("top", func(t *testing.T) {
		for args, want := range map[string]string{
			"top nodes --no-headers":                     cluster.Edge(2).Name + ` +\d+m`,
			"top pods --no-headers":                      name + ` +\d+m`,
			"top pods --no-headers --containers " + name: name + ` +main +\d+m`,
		} {
			eventually(t, "kubectl "+args, func(context.Context) error {
				out, err := s.kubectl(t, "", strings.Fields(args)...)
				if err == nil && !regexp.MustCompile(want).MatchString(out) {
					err = fmt.Errorf("got %q, want %q in it", out, want)
				}
				return err
			})
		}
	})
	t.Run("exec", func(t *testing.T) {
		if out, err := s.kubectl(t, "typed\n", "exec", "--stdin", name, "--", "/testimage", "cat"); err != nil || out != "typed\n" {
			t.Errorf("got %q, %v", out, err)
		}
		_, err := s.kubectl(t, "", "exec", name, "--", "/bin/sh", "-c", "exit 42")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 42 {
			t.Errorf("got %v", err)
		}
		if _, err := s.kubectl(t, "", "exec", name, "--container=other", "--", "true"); err == nil || !strings.Contains(err.Error(), "container not found") && !strings.Contains(err.Error(), "is not valid for pod") {
			t.Errorf("in a container that is not: %v", err)
		}
	})
	t.Run("cp", func(t *testing.T) {
		dir := t.TempDir()
		there, back := filepath.Join(dir, "there"), filepath.Join(dir, "back")
		content := strings.Repeat("0123456789abcdef", 1<<16)
		if err := os.WriteFile(there, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"cp", there, name + ":/scratch/file"}, {"cp", name + ":/scratch/file", back}} {
			if _, err := s.kubectl(t, "", args...); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(back); err != nil || string(got) != content {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
	})
	t.Run("port-forward", func(t *testing.T) {
		lines := start(t, s.kubectlCommand(t, "port-forward", "pod/"+name, ":8080"))
		line := awaitLine(t, lines, "Forwarding from 127.0.0.1:")
		port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(line)[1]
		for range 2 {
			got, err := fetch(t.Context(), "http://127.0.0.1:"+port)
			if err != nil || !strings.HasPrefix(got, name+"\n") {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
	t.Run("attach", func(t *testing.T) {
		cat := testPod(cluster.Edge(2), "site-attached", "cat")
		cat.Spec.Containers[0].Stdin, cat.Spec.Containers[0].StdinOnce = true, true
		cat.Spec.RestartPolicy = corev1.RestartPolicyNever
		s.run(t, cat)
		if out, err := s.kubectl(t, "typed\n", "attach", "--stdin", "--quiet", cat.Name); err != nil || !strings.Contains(out, "typed\n") {
			t.Errorf("got %q, %v", out, err)
		}
	})
}

// withTools gives the test image, which has nothing but its one program, the tools
// of the machine, and a folder to write to.
func withTools(pod *corev1.Pod) *corev1.Pod {
	mount(pod, "scratch", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	for name, dir := range map[string]string{"usr": "/usr", "bin": "/usr/bin", "lib": "/usr/lib", "lib64": "/usr/lib64"} {
		mount(pod, name, corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}})
	}
	return pod
}

// start starts a command that goes on, and returns its output by lines. It is ended
// with the test.
func start(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			default: // nobody waits for so many
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait() // it was killed
	})
	return lines
}

// awaitLine returns the first line that contains text.
func awaitLine(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the output ended without %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-limit:
			t.Fatalf("no line with %q", text)
		}
	}
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

func testProxies(t *testing.T, s *site) {
	pod := s.run(t, testPod(cluster.Edge(2), "site-proxied", "serve"))
	service := s.createService(t, "site-proxied", corev1.ServiceTypeClusterIP)
	s.setEndpoints(t, service, pod)
	for path, want := range map[string]string{
		"/api/v1/nodes/edge-1/proxy/metrics/resource":                     "node_memory_working_set_bytes",
		"/api/v1/nodes/edge-2:10250/proxy/pods":                           `"name":"site-proxied"`,
		"/api/v1/nodes/edge-2/proxy/stats/summary":                        `"nodeName": "edge-2"`,
		"/api/v1/namespaces/default/pods/site-proxied:8080/proxy/":        "site-proxied\n",
		"/api/v1/namespaces/default/services/site-proxied/proxy/":         "site-proxied\n",
		"/api/v1/namespaces/default/services/http:site-proxied:80/proxy/": "site-proxied\n",
	} {
		eventually(t, path, func(context.Context) error {
			out, err := s.kubectl(t, "", "get", "--raw", path)
			if err == nil && !strings.Contains(out, want) {
				err = fmt.Errorf("got %.200q, want %q in it", out, want)
			}
			return err
		})
	}
}
