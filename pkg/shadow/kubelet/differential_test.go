// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientrest "k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
)

// answer is what a client sees of a request, and what a kubelet does.
type answer struct {
	Code           int
	Reason         metav1.StatusReason
	Message        string
	Path, Query    string
	Upgrade, Agent string
}

func ask(t *testing.T, config *clientrest.Config, kubelet *fakeKubelet, method, path string, header http.Header) answer {
	t.Helper()
	tlsConfig, err := clientrest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", "differential")
	if config.BearerToken != "" {
		req.Header.Set("Authorization", "Bearer "+config.BearerToken)
	}
	before := kubelet.count()
	resp, err := (&http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := answer{Code: resp.StatusCode}
	if resp.StatusCode >= 400 {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var status metav1.Status
		if json.Unmarshal(body, &status) == nil {
			got.Reason, got.Message = status.Reason, status.Message
		} else {
			got.Message = string(body)
		}
	}
	if kubelet.count() > before {
		asked := kubelet.last()
		got.Path, got.Query, got.Upgrade, got.Agent = asked.URL.Path, asked.URL.RawQuery, asked.Header.Get("Upgrade"), asked.Header.Get("User-Agent")
	}
	return got
}

// The same requests, put to a kube-apiserver that knows the same node and pods, are
// answered alike and reach the kubelet alike.
func TestAsAKubeAPIServer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane; not with -short")
	}
	r := newRig(t)
	two := r.pods[podName].DeepCopy()
	two.Name, two.Status = "two", corev1.PodStatus{}
	two.Spec.InitContainers = []corev1.Container{{Name: "prepare"}}
	two.Spec.Containers = append(two.Spec.Containers, corev1.Container{Name: "sidecar"})
	unbound := two.DeepCopy()
	unbound.Name, unbound.Spec.NodeName, unbound.Spec.Containers = "unbound", "", two.Spec.Containers[:1]
	r.set(func() { r.pods["two"], r.pods["unbound"] = two, unbound })
	real := r.kubeAPIServer()

	const pods = "/api/v1/namespaces/" + namespace + "/pods/"
	upgrade := upgradeHeader()
	for _, c := range []struct {
		name, method, path string
		header             http.Header
	}{
		{"log with all options", "GET", pods + "web/log?container=main&follow=true&previous=true&sinceSeconds=3&tailLines=4&limitBytes=5&timestamps=true", nil},
		{"log since a time", "GET", pods + "web/log?sinceTime=2026-11-20T08:00:00%2B02:00", nil},
		{"log with options that say no", "GET", pods + "web/log?follow=false&previous=0&timestamps=", nil},
		{"log of many containers", "GET", pods + "two/log", nil},
		{"log of one of many containers", "GET", pods + "two/log?container=prepare", nil},
		{"log of no container", "GET", pods + "two/log?container=x", nil},
		{"log of a pod without a node", "GET", pods + "unbound/log", nil},
		{"log of no pod", "GET", pods + "gone/log", nil},
		{"log with a negative tail", "GET", pods + "web/log?tailLines=-1", nil},
		{"log of no bytes", "GET", pods + "web/log?limitBytes=0", nil},
		{"log of no seconds", "GET", pods + "web/log?sinceSeconds=0", nil},
		{"log with two beginnings", "GET", pods + "web/log?sinceSeconds=1&sinceTime=2026-11-20T08:00:00Z", nil},
		{"log of one stream", "GET", pods + "web/log?stream=Stdout", nil},
		{"log with a tail of words", "GET", pods + "web/log?tailLines=x", nil},
		{"log by POST", "POST", pods + "web/log", nil},
		{"exec", "POST", pods + "web/exec?command=sh&command=-c&command=a%20b&stdin=true&stdout=true&stderr=true&tty=true", upgrade},
		{"exec by GET", "GET", pods + "web/exec?command=sh&stdout=1", upgrade},
		{"exec with options that say no", "GET", pods + "web/exec?command=sh&stdin=false&stdout=true&tty=0", upgrade},
		{"exec without upgrade", "POST", pods + "web/exec?command=sh&stdout=1", nil},
		{"exec in many containers", "POST", pods + "two/exec?command=sh&stdout=1", upgrade},
		{"exec in no container", "POST", pods + "two/exec?command=sh&stdout=1&container=x", upgrade},
		{"exec in a pod without a node", "POST", pods + "unbound/exec?command=sh&stdout=1", upgrade},
		{"exec by PUT", "PUT", pods + "web/exec", upgrade},
		{"attach", "POST", pods + "web/attach?stdin=true&stdout=true&stderr=true&tty=true", upgrade},
		{"attach to no pod", "POST", pods + "gone/attach?stdout=true", upgrade},
		{"port-forward", "POST", pods + "web/portforward", upgrade},
		{"port-forward to ports", "GET", pods + "web/portforward?ports=80&ports=90", upgrade},
		{"port-forward to words", "GET", pods + "web/portforward?ports=http", upgrade},
		{"port-forward without upgrade", "POST", pods + "web/portforward", nil},
		{"dry run", "POST", pods + "web/exec?dryRun=All", upgrade},
		{"proxy of no pod's name", "GET", pods + "a:b:c:d/proxy/", nil},
		{"proxy of no pod", "GET", pods + "gone/proxy/", nil},
		{"proxy of no node", "GET", "/api/v1/nodes/gone/proxy/pods", nil},
		{"proxy of no node's name", "GET", "/api/v1/nodes/a:b:c:d/proxy/pods", nil},
		{"proxy of no service", "GET", "/api/v1/namespaces/shop/services/gone:80/proxy/", nil},
		{"proxy of no service's name", "GET", "/api/v1/namespaces/shop/services/a:b:c:d/proxy/", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.kubelet.answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "from the kubelet", http.StatusTeapot) })
			want := ask(t, real, r.kubelet, c.method, c.path, c.header)
			got := ask(t, r.client, r.kubelet, c.method, c.path, c.header)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kube-apiserver and we (-want +got):\n%s", diff)
			}
		})
	}
}

// kubeAPIServer starts one that knows what the rig knows.
func (r *rig) kubeAPIServer() *clientrest.Config {
	t := r.t
	t.Helper()
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.ControlPlane()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("the control plane takes too long"))
	defer cancel()
	plane, err := controlplane.Start(ctx, controlplane.Config{Dir: t.TempDir(), Binaries: programs, APIServerArgs: []string{
		"--kubelet-certificate-authority=" + r.config.CAFile,
		"--kubelet-client-certificate=" + r.config.CertFile,
		"--kubelet-client-key=" + r.config.KeyFile,
		"--kubelet-preferred-address-types=InternalIP",
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Stop)
	config := plane.RESTConfig()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	must(err)
	node, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: r.node.ObjectMeta}, metav1.CreateOptions{})
	must(err)
	node.Status = r.node.Status
	_, err = client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	must(err)
	for _, pod := range r.pods {
		withImages := pod.DeepCopy()
		for _, containers := range [][]corev1.Container{withImages.Spec.InitContainers, withImages.Spec.Containers} {
			for i := range containers {
				containers[i].Image = "none"
			}
		}
		created, err := client.CoreV1().Pods(namespace).Create(ctx, withImages, metav1.CreateOptions{})
		must(err)
		created.Status.PodIPs = pod.Status.PodIPs
		if len(pod.Status.PodIPs) > 0 {
			created.Status.PodIP = pod.Status.PodIPs[0].IP
		}
		_, err = client.CoreV1().Pods(namespace).UpdateStatus(ctx, created, metav1.UpdateOptions{})
		must(err)
	}
	return config
}
