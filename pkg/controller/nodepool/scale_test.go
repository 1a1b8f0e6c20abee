// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/watchcache"
	"github.com/steppe-io/steppe/test/testcluster"
)

// requests counts what the controller asks the server for.
type requests struct {
	http.RoundTripper
	nodeLists, writes atomic.Int64
}

func (r *requests) RoundTrip(request *http.Request) (*http.Response, error) {
	switch {
	case request.Method == http.MethodPatch:
		r.writes.Add(1)
	case request.URL.Path == "/api/v1/nodes" && !strings.Contains(request.URL.RawQuery, "watch="):
		r.nodeLists.Add(1)
	}
	return r.RoundTripper.RoundTrip(request)
}

// BenchmarkTenThousandNodes labels one node after the other among 10,000 in 100
// pools, on a real kube-apiserver, and waits each time until the status of the
// pool says so. It reports what a person at the keyboard sees, and what the
// server has to do for it.
func BenchmarkTenThousandNodes(b *testing.B) {
	const nodes, pools = 10_000, 100
	c := testcluster.Need(b, cluster)
	if err := c.ServeNodePools(b.Context()); err != nil {
		b.Fatal(err)
	}
	for i := range pools {
		c.CreatePool(b, fmt.Sprintf("scale-%d", i), tier("gold"))
	}
	createNodes(b, c, nodes, pools)

	restConfig := c.RESTConfig()
	counted := &requests{}
	restConfig.Wrap(func(rt http.RoundTripper) http.RoundTripper { counted.RoundTripper = rt; return counted })
	mgr, err := manager.New(restConfig, manager.Options{
		Scheme:     testcluster.Scheme(),
		Cache:      watchcache.Options(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := Add(mgr, Options{Workers: 3, SyncTimeout: time.Minute}); err != nil {
		b.Fatal(err)
	}
	heap := heapInUse()
	begin := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	for i := range pools {
		testcluster.Eventually(b, func() error {
			if got := len(c.Pool(b, fmt.Sprintf("scale-%d", i)).Status.Nodes); got != nodes/pools {
				return fmt.Errorf("%d nodes", got)
			}
			return nil
		})
	}
	counts := time.Since(begin)
	waitQuiet(b, counted)
	settled, firstWrites := time.Since(begin)-quiet, counted.writes.Load()
	cache := heapInUse() - heap

	watcher, err := c.Client.Watch(b.Context(), &appsv1beta2.NodePoolList{})
	if err != nil {
		b.Fatal(err)
	}
	defer watcher.Stop()
	lists, writes := counted.nodeLists.Load(), counted.writes.Load()
	var took []time.Duration
	i := 0
	for b.Loop() {
		node, pool := fmt.Sprintf("scale-%d", i%nodes), fmt.Sprintf("scale-%d", (i+1)%pools)
		begin := time.Now()
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, apps.LabelNodePool, pool)
		if err := c.Client.Patch(b.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}},
			client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			b.Fatal(err)
		}
		for event := range watcher.ResultChan() {
			p, ok := event.Object.(*appsv1beta2.NodePool)
			if !ok {
				b.Fatalf("watch: %v", event)
			}
			if _, found := slices.BinarySearch(p.Status.Nodes, node); found && p.Name == pool {
				break
			}
		}
		took = append(took, time.Since(begin))
		i++
	}
	waitQuiet(b, counted)
	slices.Sort(took)
	// The time from the start until all pools are counted, and until all nodes
	// have their attributes, and what the controller then holds in memory.
	b.ReportMetric(counts.Seconds(), "s-counted")
	b.ReportMetric(settled.Seconds(), "s-settled")
	b.ReportMetric(float64(firstWrites), "writes-to-settle")
	b.ReportMetric(float64(cache)/1e6, "MB-heap")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
	b.ReportMetric(float64(counted.writes.Load()-writes)/float64(i), "writes/op")
	if now := counted.nodeLists.Load(); now != lists {
		b.Errorf("the nodes were listed %d times", now-lists)
	}
}

// createNodes creates nodes that are shared out evenly to the pools, and have
// nothing of them yet.
func createNodes(b *testing.B, c *testcluster.Cluster, nodes, pools int) {
	b.Helper()
	work := make(chan int)
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			var failure error
			for i := range work {
				node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
					Name:   fmt.Sprintf("scale-%d", i),
					Labels: map[string]string{apps.LabelNodePool: fmt.Sprintf("scale-%d", i%pools)},
				}}
				if err := c.Client.Create(b.Context(), node); err != nil && failure == nil {
					failure = err
				}
			}
			failed <- failure
		}()
	}
	for i := range nodes {
		work <- i
	}
	close(work)
	for range cap(failed) {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		if err := c.Client.DeleteAllOf(context.Background(), &corev1.Node{}); err != nil {
			b.Error(err)
		}
	})
}

// quiet is how long the controller must write nothing to be at rest.
const quiet = 2 * time.Second

// waitQuiet waits until the controller is at rest.
func waitQuiet(b *testing.B, counted *requests) {
	b.Helper()
	for last, since := counted.writes.Load(), time.Now(); time.Since(since) < quiet; time.Sleep(50 * time.Millisecond) {
		if now := counted.writes.Load(); now != last {
			last, since = now, time.Now()
		}
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
