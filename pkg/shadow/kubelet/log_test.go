// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func (r *rig) logs(ctx context.Context, opts *corev1.PodLogOptions) (io.ReadCloser, error) {
	return r.clientset().CoreV1().Pods(namespace).GetLogs(podName, opts).Stream(ctx)
}

func TestLogsAreFetchedWithTheOptionsGiven(t *testing.T) {
	since := metav1.NewTime(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name  string
		opts  corev1.PodLogOptions
		query url.Values
	}{
		{"no options", corev1.PodLogOptions{}, url.Values{}},
		{"previous", corev1.PodLogOptions{Previous: true}, url.Values{"previous": {"true"}}},
		{"follow", corev1.PodLogOptions{Follow: true}, url.Values{"follow": {"true"}}},
		{"tail, no lines", corev1.PodLogOptions{TailLines: ptr.To[int64](0)}, url.Values{"tailLines": {"0"}}},
		{"since seconds", corev1.PodLogOptions{SinceSeconds: ptr.To[int64](5)}, url.Values{"sinceSeconds": {"5"}}},
		{
			"all others",
			corev1.PodLogOptions{Timestamps: true, SinceTime: &since, LimitBytes: ptr.To[int64](7), TailLines: ptr.To[int64](3)},
			url.Values{"timestamps": {"true"}, "sinceTime": {"2026-11-20T08:00:00Z"}, "limitBytes": {"7"}, "tailLines": {"3"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			stream, err := r.logs(t.Context(), &c.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if text, err := io.ReadAll(stream); err != nil || string(text) != "a line\n" {
				t.Errorf("Got %q, %v", text, err)
			}
			asked := r.kubelet.last()
			if got, want := asked.URL.Path, "/containerLogs/shop/web/main"; got != want {
				t.Errorf("Asked for %s, not %s", got, want)
			}
			if diff := cmp.Diff(c.query, asked.URL.Query()); diff != "" {
				t.Errorf("Query (-want +got):\n%s", diff)
			}
			if got := asked.TLS.PeerCertificates[0].Subject.CommonName; got != "apiserver-kubelet-client" {
				t.Errorf("Asked as %q", got)
			}
		})
	}
}

func TestFollowedLogsComeLineByLineAndMayBeSilent(t *testing.T) {
	r := newRig(t, func(config *Config) { config.AnswerTimeout = 50 * time.Millisecond })
	next := make(chan string)
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) {
		for line := range next {
			fmt.Fprintln(w, line)
			w.(http.Flusher).Flush()
		}
	})
	go func() {
		time.Sleep(500 * time.Millisecond) // a silence longer than other answers may take
		next <- "first"
	}()
	stream, err := r.logs(t.Context(), &corev1.PodLogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	lines := bufio.NewReader(stream)
	for _, want := range []string{"first\n", "second\n", "third\n"} {
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Fatalf("Got %q, %v", got, err)
		}
		switch want {
		case "first\n":
			next <- "second"
		case "second\n":
			next <- "third"
		}
	}
	close(next)
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("Got %q, %v after the end", rest, err)
	}
}

func TestKubeletIsLeftWhenTheClientOfALogGoes(t *testing.T) {
	r := newRig(t)
	gone := make(chan struct{})
	r.kubelet.answer(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintln(w, "first")
		w.(http.Flusher).Flush()
		<-req.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := r.logs(ctx, &corev1.PodLogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stream).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	stream.Close()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Error("The kubelet still serves")
	}
}

func TestLogsThatCannotBe(t *testing.T) {
	twoContainers := corev1.PodSpec{
		NodeName:       nodeName,
		InitContainers: []corev1.Container{{Name: "prepare"}},
		Containers:     []corev1.Container{{Name: "main"}, {Name: "sidecar"}},
		EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}},
		},
	}
	for _, c := range []struct {
		name   string
		spec   *corev1.PodSpec
		opts   corev1.PodLogOptions
		reason metav1.StatusReason
		says   string
	}{
		{"no container chosen", &twoContainers, corev1.PodLogOptions{}, metav1.StatusReasonBadRequest, "a container name must be specified for pod web, choose one of: [prepare main sidecar debugger]"},
		{"unknown container", &twoContainers, corev1.PodLogOptions{Container: "x"}, metav1.StatusReasonBadRequest, "container x is not valid for pod web"},
		{"unknown only container", nil, corev1.PodLogOptions{Container: "x"}, metav1.StatusReasonBadRequest, "container x is not valid for pod web"},
		{"no containers", &corev1.PodSpec{}, corev1.PodLogOptions{}, metav1.StatusReasonBadRequest, "a container name must be specified for pod web"},
		{"unknown node", &corev1.PodSpec{NodeName: "x", Containers: []corev1.Container{{Name: "main"}}}, corev1.PodLogOptions{}, metav1.StatusReasonNotFound, "nodes \"x\" not found"},
		{"negative tail", nil, corev1.PodLogOptions{TailLines: ptr.To[int64](-1)}, metav1.StatusReasonInvalid, "tailLines: Invalid value: -1: must be greater than or equal to 0"},
		{"no bytes", nil, corev1.PodLogOptions{LimitBytes: ptr.To[int64](0)}, metav1.StatusReasonInvalid, "limitBytes: Invalid value: 0: must be greater than 0"},
		{"no seconds", nil, corev1.PodLogOptions{SinceSeconds: ptr.To[int64](0)}, metav1.StatusReasonInvalid, "sinceSeconds: Invalid value: 0: must be greater than 0"},
		{"two beginnings", nil, corev1.PodLogOptions{SinceSeconds: ptr.To[int64](1), SinceTime: &metav1.Time{Time: time.Unix(1, 0)}}, metav1.StatusReasonInvalid, "at most one of `sinceTime` or `sinceSeconds` may be specified"},
		{"one stream", nil, corev1.PodLogOptions{Stream: ptr.To("Stdout")}, metav1.StatusReasonInvalid, "stream: Forbidden: may not be specified"},
		{"no verification", nil, corev1.PodLogOptions{InsecureSkipTLSVerifyBackend: true}, metav1.StatusReasonInvalid, "insecureSkipTLSVerifyBackend: Forbidden: the certificates of kubelets are always verified here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.spec != nil {
				r.set(func() { r.pods[podName].Spec = *c.spec })
			}
			_, err := r.logs(t.Context(), &c.opts)
			if got := apierrors.ReasonForError(err); got != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Got %s: %v", got, err)
			}
			if r.kubelet.count() > 0 {
				t.Error("The kubelet was asked")
			}
		})
	}
}

func TestLogOfEachKindOfContainer(t *testing.T) {
	r := newRig(t)
	r.set(func() {
		r.pods[podName].Spec.InitContainers = []corev1.Container{{Name: "prepare"}}
		r.pods[podName].Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}}}
	})
	for _, name := range []string{"prepare", "main", "debugger"} {
		stream, err := r.logs(t.Context(), &corev1.PodLogOptions{Container: name})
		if err != nil {
			t.Fatal(err)
		}
		stream.Close()
		if got, want := r.kubelet.last().URL.Path, "/containerLogs/shop/web/"+name; got != want {
			t.Errorf("Asked for %s, not %s", got, want)
		}
	}
}

func TestLogOfAPodWithoutANodeIsEmpty(t *testing.T) {
	r := newRig(t)
	r.set(func() { r.pods[podName].Spec.NodeName = "" })
	stream, err := r.logs(t.Context(), &corev1.PodLogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if text, err := io.ReadAll(stream); err != nil || len(text) > 0 {
		t.Errorf("Got %q, %v", text, err)
	}
}

func TestWhatAKubeletRefusesIsSaidToTheClient(t *testing.T) {
	const text = "previous terminated container not found"
	for _, c := range []struct {
		code   int
		reason metav1.StatusReason
		says   string
	}{
		{http.StatusBadRequest, metav1.StatusReasonBadRequest, text},
		{http.StatusForbidden, metav1.StatusReasonForbidden, text},
		{http.StatusNotFound, metav1.StatusReasonNotFound, "could not find the requested resource"},
		{http.StatusInternalServerError, metav1.StatusReasonInternalError, text},
	} {
		t.Run(http.StatusText(c.code), func(t *testing.T) {
			r := newRig(t)
			r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, c.code) })
			_, err := r.logs(t.Context(), &corev1.PodLogOptions{Previous: true})
			if got := apierrors.ReasonForError(err); got != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Got %s: %v", got, err)
			}
		})
	}
}

func TestKubeletThatDoesNotAnswerIsGivenUp(t *testing.T) {
	r := newRig(t, func(config *Config) { config.AnswerTimeout = 50 * time.Millisecond })
	r.kubelet.answer(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	_, err := r.logs(t.Context(), &corev1.PodLogOptions{})
	if !apierrors.IsTimeout(err) || !strings.Contains(err.Error(), `kubelet of node "edge-1"`) {
		t.Errorf("Got %v", err)
	}
}

func TestKubeletsLeadNowhereElse(t *testing.T) {
	r := newRig(t)
	elsewhere := newFakeKubelet(t, r.issue("elsewhere", requestFor("edge-2")), r.ca)
	target := httptest.NewServer(elsewhere)
	defer target.Close()
	for _, to := range []string{elsewhere.URL, target.URL} {
		r.kubelet.answer(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, to+"/containerLogs/kube-system/secret/main", http.StatusFound)
		})
		if _, err := r.logs(t.Context(), &corev1.PodLogOptions{}); err == nil {
			t.Errorf("Redirect to %s: got a log", to)
		}
		if _, err := r.exec(t.Context(), remoteSPDY, &corev1.PodExecOptions{Stdout: true, Command: []string{"x"}}, nil); err == nil {
			t.Errorf("Redirect to %s: got a shell", to)
		}
		if _, err := r.exec(t.Context(), remoteWebSocket, &corev1.PodExecOptions{Stdout: true, Command: []string{"x"}}, nil); err == nil {
			t.Errorf("Redirect to %s: got a shell", to)
		}
	}
	if n := elsewhere.count(); n > 0 {
		t.Errorf("%d requests went there", n)
	}
}
