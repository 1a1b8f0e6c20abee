// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"k8s.io/streaming/pkg/httpstream/wsstream"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// fakeKubelet speaks as a kubelet does. Its containers are all alike: what they run
// copies stdin to stdout, says its arguments on stderr and ends as they ask for.
type fakeKubelet struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	requests []*http.Request // all that came, without bodies
	// handle, if set, answers instead.
	handle http.HandlerFunc
	conns  []net.Conn
}

// newFakeKubelet starts a kubelet with a serving certificate, that asks for client
// certificates of the authority.
func newFakeKubelet(t *testing.T, serving pki.Pair, clients *pki.Authority) *fakeKubelet {
	t.Helper()
	pair, err := tls.X509KeyPair(serving.CertPEM, serving.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(clients.CertPEM)
	k := &fakeKubelet{t: t}
	k.Server = httptest.NewUnstartedServer(k)
	k.Config.ErrorLog = log.New(io.Discard, "", 0) // many handshakes are made to fail
	k.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.conns = append(k.conns, conn)
		}
	}
	k.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	k.StartTLS()
	t.Cleanup(func() {
		k.hangUp()
		k.Close()
	})
	return k
}

func (k *fakeKubelet) port() int { return k.Listener.Addr().(*net.TCPAddr).Port }

// answer has handle answer all requests.
func (k *fakeKubelet) answer(handle http.HandlerFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handle = handle
}

// last returns the request that came last.
func (k *fakeKubelet) last() *http.Request {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.requests) == 0 {
		k.t.Fatal("The kubelet was asked nothing")
	}
	return k.requests[len(k.requests)-1]
}

// hangUp closes all connections, those that have been upgraded as well.
func (k *fakeKubelet) hangUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, conn := range k.conns {
		conn.Close()
	}
}

func (k *fakeKubelet) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.requests)
}

func (k *fakeKubelet) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	k.mu.Lock()
	k.requests = append(k.requests, req.Clone(context.WithoutCancel(req.Context())))
	handle := k.handle
	k.mu.Unlock()
	switch verb, _, _ := strings.Cut(req.URL.Path[1:], "/"); {
	case handle != nil:
		handle(w, req)
	case verb == "containerLogs":
		fmt.Fprintln(w, "a line")
	case verb == "exec" || verb == "attach":
		k.run(w, req)
	case verb == "portForward":
		k.forward(w, req)
	default:
		http.NotFound(w, req)
	}
}

// run serves exec and attach, in either protocol.
func (k *fakeKubelet) run(w http.ResponseWriter, req *http.Request) {
	var in io.Reader
	var out, errOut, status io.Writer
	if wsstream.IsWebSocketRequest(req) {
		conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
			remotecommand.StreamProtocolV5Name: {Binary: true, Channels: []wsstream.ChannelType{
				wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.ReadChannel,
			}},
		})
		_, streams, err := conn.Open(w, req)
		if err != nil {
			k.t.Errorf("The kubelet could not upgrade: %v", err)
			return
		}
		defer conn.Close()
		status, out, errOut = streams[3], io.Discard, io.Discard
		if req.FormValue("input") == "1" {
			in = streams[0]
		}
		if req.FormValue("output") == "1" {
			out = streams[1]
		}
		if req.FormValue("error") == "1" {
			errOut = streams[2]
		}
	} else {
		if _, err := httpstream.Handshake(req, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
			k.t.Errorf("The kubelet could not upgrade: %v", err)
			return
		}
		wanted := map[string]string{corev1.StreamTypeError: "1"}
		for streamType, parameter := range map[string]string{corev1.StreamTypeStdin: "input", corev1.StreamTypeStdout: "output", corev1.StreamTypeStderr: "error"} {
			if req.FormValue(parameter) == "1" && (streamType != corev1.StreamTypeStderr || req.FormValue("tty") != "1") {
				wanted[streamType] = "1"
			}
		}
		streams, conn := spdyStreams(w, req, len(wanted))
		if conn == nil {
			return
		}
		defer conn.Close()
		byType := map[string]httpstream.Stream{}
		for range wanted {
			select {
			case stream := <-streams:
				byType[stream.Headers().Get(corev1.StreamType)] = stream
			case <-conn.CloseChan():
				return
			}
		}
		status = byType[corev1.StreamTypeError]
		if stream := byType[corev1.StreamTypeStdin]; stream != nil {
			in = stream
		}
		out, errOut = io.Discard, io.Discard
		if stream := byType[corev1.StreamTypeStdout]; stream != nil {
			out = stream
		}
		if stream := byType[corev1.StreamTypeStderr]; stream != nil {
			errOut = stream
		}
	}
	k.program(in, out, errOut, status, req.URL.Query()["command"])
}

// program is what runs in the containers. The command "exit N" ends with N.
func (k *fakeKubelet) program(in io.Reader, out, errOut, status io.Writer, command []string) {
	if len(command) > 0 {
		fmt.Fprintf(errOut, "%q", command)
	}
	if in != nil {
		if _, err := io.Copy(out, in); err != nil {
			return // the client is gone
		}
	} else {
		fmt.Fprint(out, "output")
	}
	result := metav1.Status{Status: metav1.StatusSuccess}
	if len(command) == 2 && command[0] == "exit" {
		if _, err := strconv.Atoi(command[1]); err != nil {
			k.t.Errorf("The command is %q", command)
		}
		result = metav1.Status{
			Status:  metav1.StatusFailure,
			Reason:  remotecommand.NonZeroExitCodeReason,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: command[1]}}},
		}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		k.t.Error(err)
	}
	_, _ = status.Write(encoded) // the client may be gone
}

// forward echoes what comes for a port.
func (k *fakeKubelet) forward(w http.ResponseWriter, req *http.Request) {
	if _, err := httpstream.Handshake(req, w, []string{"portforward.k8s.io"}); err != nil {
		k.t.Errorf("The kubelet could not upgrade: %v", err)
		return
	}
	streams, conn := spdyStreams(w, req, 16)
	if conn == nil {
		return
	}
	defer conn.Close()
	for {
		select {
		case stream := <-streams:
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				stream.Close()
				continue
			}
			go func() {
				defer stream.Close()
				fmt.Fprintf(stream, "port %s: ", stream.Headers().Get(corev1.PortHeader))
				_, _ = io.Copy(stream, stream)
			}()
		case <-conn.CloseChan():
			return
		}
	}
}

func spdyStreams(w http.ResponseWriter, req *http.Request, buffer int) (<-chan httpstream.Stream, httpstream.Connection) {
	streams := make(chan httpstream.Stream, buffer)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, req, func(stream httpstream.Stream, _ <-chan struct{}) error {
		streams <- stream
		return nil
	})
	return streams, conn
}
