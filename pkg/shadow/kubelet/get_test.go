// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

func TestGetAsksWithTheClientCertificate(t *testing.T) {
	r := newRig(t)
	r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures") })
	body, err := r.connector.Get(t.Context(), nodeName, "/stats/summary", url.Values{"a": {"b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if content, err := io.ReadAll(body); err != nil || string(content) != "figures" {
		t.Errorf("Got %q, %v", content, err)
	}
	asked := r.kubelet.last()
	if got, want := asked.URL.String(), "/stats/summary?a=b"; got != want || asked.Method != http.MethodGet {
		t.Errorf("Asked %s %s, not GET %s", asked.Method, got, want)
	}
	if got := asked.TLS.PeerCertificates[0].Subject.CommonName; got != "apiserver-kubelet-client" {
		t.Errorf("Asked as %q", got)
	}
}

func TestGetsThatFail(t *testing.T) {
	for _, c := range []struct {
		name   string
		node   string
		change func(r *rig)
		reason metav1.StatusReason
		says   string
	}{
		{"unknown node", "x", nil, metav1.StatusReasonNotFound, "nodes \"x\" not found"},
		{"without address", nodeName, func(r *rig) { r.set(func() { r.node.Status.Addresses = nil }) }, metav1.StatusReasonServiceUnavailable, "no address"},
		{"address of a cloud's metadata", nodeName, func(r *rig) {
			r.set(func() {
				r.node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "169.254.169.254"}}
			})
		}, metav1.StatusReasonBadRequest, "address not allowed"},
		{"another node's certificate", nodeName, func(r *rig) {
			other := newFakeKubelet(t, r.issue("other", pki.Request{CommonName: "system:node:edge-2", Hosts: []string{"edge-2", "127.0.0.1"}}), r.ca)
			r.set(func() { r.node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(other.port()) })
		}, metav1.StatusReasonInternalError, "cannot be trusted"},
		{"refused", nodeName, func(r *rig) {
			r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		}, metav1.StatusReasonServiceUnavailable, "403 Forbidden"},
		{"redirected", nodeName, func(r *rig) {
			r.kubelet.answer(func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, "/elsewhere", http.StatusFound)
			})
		}, metav1.StatusReasonServiceUnavailable, "302 Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.change != nil {
				c.change(r)
			}
			body, err := r.connector.Get(t.Context(), c.node, "/stats/summary", nil)
			if err == nil {
				body.Close()
				t.Fatal("It was got")
			}
			if got := apierrors.ReasonForError(err); got != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Got %s: %v", got, err)
			}
		})
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	r := newRig(t)
	r.kubelet.answer(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if body, err := r.connector.Get(ctx, nodeName, "/stats/summary", nil); err == nil {
		body.Close()
		t.Error("A kubelet that does not answer was waited for")
	}
}
