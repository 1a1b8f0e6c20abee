// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// remoteProtocol is how a client streams.
type remoteProtocol string

const (
	remoteSPDY      remoteProtocol = "SPDY"      // kubectl before 1.31, and when the other fails
	remoteWebSocket remoteProtocol = "WebSocket" // kubectl since
)

var remoteProtocols = []remoteProtocol{remoteSPDY, remoteWebSocket}

func requestFor(node string) pki.Request {
	return pki.Request{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}, Hosts: []string{node, "127.0.0.1"}}
}

type output struct{ stdout, stderr string }

// buffer may be read while a stream that broke is still being written down.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

func (r *rig) exec(ctx context.Context, protocol remoteProtocol, opts *corev1.PodExecOptions, stdin io.Reader) (output, error) {
	r.t.Helper()
	return r.stream(ctx, protocol, "exec", opts, remotecommand.StreamOptions{Stdin: stdin, Tty: opts.TTY})
}

// stream runs exec or attach.
func (r *rig) stream(ctx context.Context, protocol remoteProtocol, subresource string, opts runtime.Object, streams remotecommand.StreamOptions) (output, error) {
	r.t.Helper()
	query, err := scheme.ParameterCodec.EncodeParameters(opts, corev1.SchemeGroupVersion)
	if err != nil {
		r.t.Fatal(err)
	}
	var stdout, stderr buffer
	if query.Has("stdout") && streams.Stdout == nil {
		streams.Stdout = &stdout
	}
	if query.Has("stderr") && !streams.Tty {
		streams.Stderr = &stderr
	}
	executor, err := r.executor(protocol, r.url(podPath(subresource), query))
	if err != nil {
		r.t.Fatal(err)
	}
	err = executor.StreamWithContext(ctx, streams)
	return output{stdout.String(), stderr.String()}, err
}

func (r *rig) executor(protocol remoteProtocol, to *url.URL) (remotecommand.Executor, error) {
	if protocol == remoteSPDY {
		return remotecommand.NewSPDYExecutor(r.client, http.MethodPost, to)
	}
	return remotecommand.NewWebSocketExecutor(r.client, http.MethodGet, to.String())
}

// eachWay runs a test with either kind of client and with kubelets that do and do
// not take WebSockets.
func eachWay(t *testing.T, test func(t *testing.T, r *rig, protocol remoteProtocol, upgrade string)) {
	for _, protocol := range remoteProtocols {
		for _, features := range [][]string{nil, {"ExtendWebSocketsToKubelet"}} {
			t.Run(fmt.Sprintf("client %s, kubelet declares %v", protocol, features), func(t *testing.T) {
				r := newRig(t)
				r.set(func() { r.node.Status.DeclaredFeatures = features })
				upgrade := "SPDY/3.1"
				if protocol == remoteWebSocket && features != nil {
					upgrade = "websocket"
				}
				test(t, r, protocol, upgrade)
			})
		}
	}
}

func TestExec(t *testing.T) {
	eachWay(t, func(t *testing.T, r *rig, protocol remoteProtocol, upgrade string) {
		long := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
		got, err := r.exec(t.Context(), protocol, &corev1.PodExecOptions{
			Stdin: true, Stdout: true, Stderr: true, Command: []string{"cat", "a b", "c&d"},
		}, strings.NewReader(long))
		if err != nil {
			t.Fatal(err)
		}
		if got.stdout != long {
			t.Errorf("Got %d bytes", len(got.stdout))
		}
		if want := `["cat" "a b" "c&d"]`; got.stderr != want {
			t.Errorf("Got %q on stderr", got.stderr)
		}
		asked := r.kubelet.last()
		if got, want := asked.URL.Path, "/exec/shop/web/main"; got != want {
			t.Errorf("Asked for %s, not %s", got, want)
		}
		if diff := cmp.Diff(url.Values{"input": {"1"}, "output": {"1"}, "error": {"1"}, "command": {"cat", "a b", "c&d"}}, asked.URL.Query()); diff != "" {
			t.Errorf("Query (-want +got):\n%s", diff)
		}
		if got := asked.Header.Get("Upgrade"); got != upgrade {
			t.Errorf("Upgraded to %s, not %s", got, upgrade)
		}
	})
}

func TestExitCodeOfExec(t *testing.T) {
	eachWay(t, func(t *testing.T, r *rig, protocol remoteProtocol, _ string) {
		_, err := r.exec(t.Context(), protocol, &corev1.PodExecOptions{Stdout: true, Command: []string{"exit", "42"}}, nil)
		var exited exec.CodeExitError
		if !errors.As(err, &exited) || exited.Code != 42 {
			t.Errorf("Got %v", err)
		}
	})
}

func TestAttachWithTerminal(t *testing.T) {
	eachWay(t, func(t *testing.T, r *rig, protocol remoteProtocol, upgrade string) {
		got, err := r.stream(t.Context(), protocol, "attach", &corev1.PodAttachOptions{Stdin: true, Stdout: true, TTY: true, Container: "main"},
			remotecommand.StreamOptions{Stdin: strings.NewReader("hello"), Tty: true})
		if err != nil || got.stdout != "hello" {
			t.Fatalf("Got %q, %v", got.stdout, err)
		}
		asked := r.kubelet.last()
		if got, want := asked.URL.Path, "/attach/shop/web/main"; got != want {
			t.Errorf("Asked for %s, not %s", got, want)
		}
		if diff := cmp.Diff(url.Values{"input": {"1"}, "output": {"1"}, "tty": {"1"}}, asked.URL.Query()); diff != "" {
			t.Errorf("Query (-want +got):\n%s", diff)
		}
		if got := asked.Header.Get("Upgrade"); got != upgrade {
			t.Errorf("Upgraded to %s, not %s", got, upgrade)
		}
	})
}

func TestPortForward(t *testing.T) {
	for _, protocol := range remoteProtocols {
		t.Run(string(protocol), func(t *testing.T) {
			r := newRig(t)
			dialer, err := r.portForwardDialer(protocol)
			if err != nil {
				t.Fatal(err)
			}
			stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- forwarder.ForwardPorts() }()
			select {
			case <-ready:
			case err := <-done:
				t.Fatal(err)
			}
			ports, err := forwarder.GetPorts()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // connections over one stream
				conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, "hello"); err != nil {
					t.Fatal(err)
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(conn); err != nil || string(got) != "port 8080: hello" {
					t.Errorf("Got %q, %v", got, err)
				}
				conn.Close()
			}
			close(stop)
			if err := <-done; err != nil {
				t.Error(err)
			}
			asked := r.kubelet.last()
			if asked.URL.Path != "/portForward/shop/web" || asked.Header.Get("Upgrade") != "SPDY/3.1" {
				t.Errorf("Asked for %s with %s", asked.URL.Path, asked.Header.Get("Upgrade"))
			}
		})
	}
}

func (r *rig) portForwardDialer(protocol remoteProtocol) (httpstream.Dialer, error) {
	to := r.url(podPath("portforward"), nil)
	if protocol == remoteWebSocket {
		return portforward.NewSPDYOverWebsocketDialerForStreaming(to, r.client)
	}
	transport, upgrader, err := spdy.RoundTripperFor(r.client)
	if err != nil {
		return nil, err
	}
	return spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, to), nil
}

// The kubelet does the rest, where it can: what it says must reach the client.
func TestPortForwardIsPassedOnToKubeletsThatTakeWebSockets(t *testing.T) {
	r := newRig(t)
	r.set(func() { r.node.Status.DeclaredFeatures = []string{"ExtendWebSocketsToKubelet"} })
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no more streams", http.StatusTeapot) })
	dialer, err := r.portForwardDialer(remoteWebSocket)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = dialer.Dial("portforward.k8s.io")
	if err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("Got %v", err)
	}
	if got := r.kubelet.last().Header.Get("Sec-Websocket-Protocol"); got != "SPDY/3.1+portforward.k8s.io" {
		t.Errorf("The kubelet was offered %q", got)
	}
}

func TestPortsOfOldClientsReachTheKubelet(t *testing.T) {
	r := newRig(t)
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "enough", http.StatusTeapot) })
	resp := r.do(http.MethodGet, podPath("portforward")+"?ports=80,8080&ports=9090", upgradeHeader())
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("Got %s", resp.Status)
	}
	if got := r.kubelet.last().URL.Query().Get("port"); got != "80,8080,9090" {
		t.Errorf("Got %q", got)
	}
}

func upgradeHeader() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {"v4.channel.k8s.io"},
	}
}

func TestStreamsEndWhenEitherSideGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(r *rig, cancel context.CancelFunc)
	}{
		{"client", func(_ *rig, cancel context.CancelFunc) { cancel() }},
		{"kubelet", func(r *rig, _ context.CancelFunc) { r.kubelet.hangUp() }},
		{"server", func(r *rig, _ context.CancelFunc) { r.connector.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, r *rig, protocol remoteProtocol, _ string) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stdin, typed := io.Pipe()
				defer typed.Close()
				var seen buffer
				done := make(chan struct{})
				go func() {
					defer close(done)
					// SPDY has no way to tell a client that something is missing.
					_, _ = r.stream(ctx, protocol, "exec", &corev1.PodExecOptions{Stdin: true, Stdout: true, Command: []string{"cat"}},
						remotecommand.StreamOptions{Stdin: stdin, Stdout: &seen})
				}()
				// A client that is still about to begin would wait for 30 s.
				if _, err := io.WriteString(typed, "hello"); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the command echoes", func() bool { return seen.String() == "hello" })
				c.end(r, cancel)
				select {
				case <-done:
				case <-time.After(30 * time.Second):
					t.Error("The stream goes on")
				}
			})
		})
	}
}

func TestNothingIsBegunAfterTheEnd(t *testing.T) {
	r := newRig(t)
	r.connector.Close()
	resp := r.do(http.MethodGet, podPath("log"), nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "shutting down") {
		t.Errorf("Got %s: %s", resp.Status, body)
	}
}

func TestStreamsThatCannotBe(t *testing.T) {
	unbound := corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}
	for _, c := range []struct {
		name, path string
		header     http.Header
		spec       *corev1.PodSpec
		code       int
		says       string
	}{
		{"no upgrade", podPath("exec") + "?command=x&stdout=1", nil, nil, http.StatusBadRequest, "Upgrade request required"},
		{"no container", podPath("exec") + "?container=x", upgradeHeader(), nil, http.StatusBadRequest, "container x is not valid for pod web"},
		{"exec in a pod without a node", podPath("exec"), upgradeHeader(), &unbound, http.StatusBadRequest, "pod web does not have a host assigned"},
		{"attach to a pod without a node", podPath("attach"), upgradeHeader(), &unbound, http.StatusBadRequest, "pod web does not have a host assigned"},
		{"forward to a pod without a node", podPath("portforward"), upgradeHeader(), &unbound, http.StatusBadRequest, "pod web does not have a host assigned"},
		{"ports that are no numbers", podPath("portforward") + "?ports=http", upgradeHeader(), nil, http.StatusBadRequest, "http"},
		{"dry run", podPath("exec") + "?dryRun=All", upgradeHeader(), nil, http.StatusBadRequest, "dryRun is not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.spec != nil {
				r.set(func() { r.pods[podName].Spec = *c.spec })
			}
			resp := r.do(http.MethodGet, c.path, c.header)
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != c.code || !strings.Contains(string(body), c.says) {
				t.Errorf("Got %s: %s", resp.Status, body)
			}
			if r.kubelet.count() > 0 {
				t.Error("The kubelet was asked")
			}
		})
	}
}

func TestWhoMayOnlyReadOpensNoStreams(t *testing.T) {
	for _, subresource := range []string{"exec", "attach", "portforward"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(method+" "+subresource, func(t *testing.T) {
				r := newRig(t)
				r.set(func() { r.allow = func(a authorizer.Attributes) bool { return a.GetVerb() == "get" } })
				resp := r.do(method, podPath(subresource), upgradeHeader())
				body, _ := io.ReadAll(resp.Body)
				if want := fmt.Sprintf("cannot create resource \\\"pods/%s\\\"", subresource); resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), want) {
					t.Errorf("Got %s: %s", resp.Status, body)
				}
				if r.kubelet.count() > 0 {
					t.Error("The kubelet was asked")
				}
			})
		}
	}
}

func TestStreamsAreAdmitted(t *testing.T) {
	r := newRig(t)
	if _, err := r.exec(t.Context(), remoteSPDY, &corev1.PodExecOptions{Stdout: true, Command: []string{"id"}}, nil); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.admitted) != 1 {
		t.Fatalf("%d requests were admitted", len(r.admitted))
	}
	opts, ok := r.admitted[0].GetObject().(*corev1.PodExecOptions)
	if !ok || !slices.Equal(opts.Command, []string{"id"}) || r.admitted[0].GetSubresource() != "exec" || r.admitted[0].GetName() != podName {
		t.Errorf("Admitted %+v", r.admitted[0])
	}
}
