// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"fmt"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/steppe-io/steppe/test/bench/compare"
)

// BenchmarkWatch measures from the start of an update to its event at a watcher:
// of pods, which the servers keep in memory, and of leases, which a pool's server
// does not.
func BenchmarkWatch(b *testing.B) {
	b.Run("pods", func(b *testing.B) {
		f := need(b)
		clients := newWriters(b, f.sides, 2)
		pods, watches := map[*side]*corev1.Pod{}, map[*side]watch.Interface{}
		for _, s := range f.sides {
			pod, err := clients[s][0].CoreV1().Pods(large.nsOf(0)).Get(b.Context(), podName(0), metav1.GetOptions{})
			if err != nil {
				b.Fatal(err)
			}
			pods[s] = pod
			now, err := clients[s][1].CoreV1().Pods("").List(b.Context(), metav1.ListOptions{Limit: 1})
			if err != nil {
				b.Fatal(err)
			}
			w, err := clients[s][1].CoreV1().Pods("").Watch(b.Context(), metav1.ListOptions{ResourceVersion: now.ResourceVersion})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Stop()
			watches[s] = w
		}
		compare.Latency(b, f.sides, func(ctx context.Context, s *side) error {
			pods[s].Annotations["touched"] = fmt.Sprint(serial.Add(1))
			pod, err := clients[s][0].CoreV1().Pods(pods[s].Namespace).Update(ctx, pods[s], metav1.UpdateOptions{})
			if err != nil {
				return err
			}
			pods[s] = pod
			return await(watches[s], pod.Name, pod.ResourceVersion)
		})
	})
	b.Run("leases", func(b *testing.B) {
		f := need(b)
		clients := newWriters(b, f.sides, 2)
		leases, watches := map[*side]*coordinationv1.Lease{}, map[*side]watch.Interface{}
		for _, s := range f.sides {
			lease, err := clients[s][0].CoordinationV1().Leases(leaseNamespace).Get(b.Context(), nodeName(0), metav1.GetOptions{})
			if err != nil {
				b.Fatal(err)
			}
			leases[s] = lease
			now, err := clients[s][1].CoordinationV1().Leases("").List(b.Context(), metav1.ListOptions{Limit: 1})
			if err != nil {
				b.Fatal(err)
			}
			w, err := clients[s][1].CoordinationV1().Leases("").Watch(b.Context(), metav1.ListOptions{ResourceVersion: now.ResourceVersion})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Stop()
			watches[s] = w
		}
		compare.Latency(b, f.sides, func(ctx context.Context, s *side) error {
			renew(leases[s])
			lease, err := clients[s][0].CoordinationV1().Leases(leaseNamespace).Update(ctx, leases[s], metav1.UpdateOptions{})
			if err != nil {
				return err
			}
			leases[s] = lease
			return await(watches[s], lease.Name, lease.ResourceVersion)
		})
	})
}

// await waits for a version of an object.
func await(w watch.Interface, name, version string) error {
	for event := range w.ResultChan() {
		if m, ok := event.Object.(metav1.Object); ok && m.GetName() == name && m.GetResourceVersion() == version {
			return nil
		}
	}
	return errors.New("the watch ended")
}

// BenchmarkInformers measures how long a controller takes until it knows all nodes,
// pods, slices and leases.
func BenchmarkInformers(b *testing.B) {
	f := need(b)
	clients := newWriters(b, f.sides, 1)
	compare.Latency(b, f.sides, func(ctx context.Context, s *side) error {
		return sync9000(ctx, clients[s][0])
	})
}

func sync9000(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactory(client, 0)
	defer factory.Shutdown()
	defer cancel()
	var synced []cache.InformerSynced
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Nodes().Informer(), factory.Core().V1().Pods().Informer(),
		factory.Discovery().V1().EndpointSlices().Informer(), factory.Coordination().V1().Leases().Informer(),
	} {
		synced = append(synced, informer.HasSynced)
	}
	factory.Start(ctx.Done())
	for !allTrue(synced) {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}
