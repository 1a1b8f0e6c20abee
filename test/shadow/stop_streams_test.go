// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
)

// TestStopsWithOpenStreams asks a coordinator to end while somebody reads from a pod
// what never ends, such as a log that is followed.
func TestStopsWithOpenStreams(t *testing.T) {
	ctx := t.Context()
	p, err := pool.New(pool.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Kill() }()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	config, err := p.AdminConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	createListeningPod(t, client, endlessServer(t))

	stream, err := client.CoreV1().RESTClient().Get().Namespace("default").Resource("pods").Name("endless").SubResource("proxy").Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := bufio.NewReader(stream).ReadString('\n'); err != nil {
		t.Fatalf("nothing came: %v", err)
	}

	began := time.Now()
	p.Stop()
	if took := time.Since(began); took > stopPatience {
		t.Errorf("it took %s to end", took)
	}
	if err := p.WaitExit(ctx); err != nil {
		t.Errorf("it ended with %v:\n%s", err, tail(p.Log()))
	}
	if _, err := io.Copy(io.Discard, stream); err == nil {
		t.Error("what was cut off looks complete")
	}
}

// endlessServer sends a line every now and then. It is reached by an address that
// a pod may have, which loopback is not.
func endlessServer(t *testing.T) *net.TCPAddr {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "line\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}))
	server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("tcp", net.JoinHostPort(machineAddress(t), "0")); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr)
}

// machineAddress is one that others know this machine by.
func machineAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// createListeningPod creates the pod endless, which listens there.
func createListeningPod(t *testing.T, client kubernetes.Interface, at *net.TCPAddr) {
	t.Helper()
	for _, create := range []func() error{
		func() error {
			_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := client.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			pod, err := client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "endless"},
				Spec: corev1.PodSpec{
					NodeName: "edge-1",
					Containers: []corev1.Container{{
						Name: "main", Image: "registry.example.com/endless",
						Ports: []corev1.ContainerPort{{ContainerPort: int32(at.Port)}},
					}},
				},
			}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			pod.Status.PodIP = at.IP.String()
			pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
			_, err = client.CoreV1().Pods("default").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
			return err
		},
	} {
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
}
