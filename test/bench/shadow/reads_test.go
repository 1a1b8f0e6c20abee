// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/bench/compare"
)

// BenchmarkGet measures one object.
func BenchmarkGet(b *testing.B) {
	for name, path := range map[string]string{
		"pod":   fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", large.nsOf(0), podName(0)),
		"lease": "/apis/coordination.k8s.io/v1/namespaces/" + leaseNamespace + "/leases/" + nodeName(0),
	} {
		b.Run(name, func(b *testing.B) { read(b, path, runtime.ContentTypeProtobuf) })
	}
}

// BenchmarkList measures lists as clients ask for them, until the last byte is
// there. They are not decoded.
func BenchmarkList(b *testing.B) {
	const (
		pods  = "/api/v1/pods"
		table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	)
	for _, c := range []struct{ name, path, accept string }{
		{"pods/any-version", pods + "?resourceVersion=0", runtime.ContentTypeProtobuf},
		{"pods/consistent", pods, runtime.ContentTypeProtobuf},
		{"pods/JSON", pods + "?resourceVersion=0", runtime.ContentTypeJSON},
		{"pods/first-500-as-table", pods + "?limit=500", table},
		{"pods/of-a-node", pods + "?resourceVersion=0&fieldSelector=spec.nodeName%3D" + nodeName(1), runtime.ContentTypeProtobuf},
		{"pods/of-a-node-consistent", pods + "?fieldSelector=spec.nodeName%3D" + nodeName(1), runtime.ContentTypeProtobuf},
		{"pods/by-label", pods + "?resourceVersion=0&labelSelector=app%3Dapp-001", runtime.ContentTypeProtobuf},
		{"pods/of-a-namespace", "/api/v1/namespaces/" + large.nsOf(0) + "/pods", runtime.ContentTypeProtobuf},
		{"nodes", "/api/v1/nodes?resourceVersion=0", runtime.ContentTypeProtobuf},
		{"slices", "/apis/discovery.k8s.io/v1/endpointslices?resourceVersion=0", runtime.ContentTypeProtobuf},
		{"leases", "/apis/coordination.k8s.io/v1/leases", runtime.ContentTypeProtobuf},
	} {
		b.Run(c.name, func(b *testing.B) { read(b, c.path, c.accept) })
	}
}

func read(b *testing.B, path, accept string) {
	b.Helper()
	f := need(b)
	clients := map[*side]*kubernetes.Clientset{}
	for _, s := range f.sides {
		own, err := s.clients(1)
		if err != nil {
			b.Fatal(err)
		}
		clients[s] = own[0]
	}
	size := map[*side]int{}
	compare.Latency(b, f.sides, func(ctx context.Context, s *side) error {
		data, err := clients[s].CoreV1().RESTClient().Get().RequestURI(path).SetHeader("Accept", accept).Do(ctx).Raw()
		size[s] = len(data)
		return err
	})
	for _, s := range f.sides {
		// So that a side that answers with less does not look fast.
		b.ReportMetric(float64(size[s])/1024, s.name+"-KiB")
	}
}

// BenchmarkDocuments measures what kubectl asks for before it does anything.
func BenchmarkDocuments(b *testing.B) {
	const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
	for _, c := range []struct{ path, accept string }{
		{"/apis", aggregated},
		{"/openapi/v3/api/v1", runtime.ContentTypeJSON},
		{"/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"},
	} {
		b.Run(strings.ReplaceAll(c.path[1:], "/", "-"), func(b *testing.B) { read(b, c.path, c.accept) })
	}
}
