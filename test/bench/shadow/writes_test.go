// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/bench/compare"
)

// opsPerRound is how many operations a round of many clients has, shared between
// them: enough to take a few tenths of a second.
const opsPerRound = 256

// writers are the clients of each side that write at once.
type writers map[*side][]*kubernetes.Clientset

func newWriters(b *testing.B, sides []*side, n int) writers {
	b.Helper()
	w := writers{}
	for _, s := range sides {
		clients, err := s.clients(n)
		if err != nil {
			b.Fatal(err)
		}
		w[s] = clients
	}
	return w
}

// BenchmarkLeaseUpdate measures renewals of leases, and what one renewal costs: the
// bytes that reach the disk and the time of processors.
func BenchmarkLeaseUpdate(b *testing.B) {
	f := need(b)
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("clients=", n), func(b *testing.B) {
			clients := newWriters(b, f.sides, n)
			leases := map[*side][]*coordinationv1.Lease{}
			before, done := map[*side]usage{}, map[*side]int{}
			for _, s := range f.sides {
				for i := range n {
					lease, err := clients[s][i].CoordinationV1().Leases(leaseNamespace).Get(b.Context(), nodeName(i), metav1.GetOptions{})
					if err != nil {
						b.Fatal(err)
					}
					leases[s] = append(leases[s], lease)
				}
				u, err := s.usage()
				if err != nil {
					b.Fatal(err)
				}
				before[s] = u
			}
			compare.Rate(b, f.sides, opsPerRound, func(ctx context.Context, s *side) error {
				done[s] += opsPerRound
				return together(ctx, clients[s], func(ctx context.Context, client kubernetes.Interface, i int) error {
					for range opsPerRound / n {
						lease := leases[s][i].DeepCopy()
						renew(lease)
						lease, err := client.CoordinationV1().Leases(leaseNamespace).Update(ctx, lease, metav1.UpdateOptions{})
						if err != nil {
							return err
						}
						leases[s][i] = lease
					}
					return nil
				})
			})
			for _, s := range f.sides {
				u, err := s.usage()
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(u.written-before[s].written)/float64(done[s]), s.name+"-written-B/op")
				b.ReportMetric(float64(u.cpu-before[s].cpu)/float64(time.Microsecond)/float64(done[s]), s.name+"-cpu-us/op")
			}
		})
	}
}

// together has each client do its part at the same time.
func together(ctx context.Context, clients []*kubernetes.Clientset, do func(ctx context.Context, client kubernetes.Interface, i int) error) error {
	return each(ctx, len(clients), clients, func(ctx context.Context, _ kubernetes.Interface, i int) error {
		return do(ctx, clients[i], i)
	})
}

// BenchmarkLeaseUpdateLatency measures renewals by one client.
func BenchmarkLeaseUpdateLatency(b *testing.B) {
	f := need(b)
	clients := newWriters(b, f.sides, 1)
	leases := map[*side]*coordinationv1.Lease{}
	for _, s := range f.sides {
		lease, err := clients[s][0].CoordinationV1().Leases(leaseNamespace).Get(b.Context(), nodeName(0), metav1.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		leases[s] = lease
	}
	compare.Latency(b, f.sides, func(ctx context.Context, s *side) (err error) {
		renew(leases[s])
		leases[s], err = clients[s][0].CoordinationV1().Leases(leaseNamespace).Update(ctx, leases[s], metav1.UpdateOptions{})
		return err
	})
}

// BenchmarkNodeStatus measures the reports of 16 kubelets, which are strategic merge
// patches.
func BenchmarkNodeStatus(b *testing.B) {
	f := need(b)
	const n = 16
	clients := newWriters(b, f.sides, n)
	compare.Rate(b, f.sides, opsPerRound, func(ctx context.Context, s *side) error {
		return together(ctx, clients[s], func(ctx context.Context, client kubernetes.Interface, i int) error {
			for range opsPerRound / n {
				if err := reportNode(ctx, client, nodeName(i)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func reportNode(ctx context.Context, client kubernetes.Interface, name string) error {
	conditions := nodeConditions(metav1.Now())
	for i := range conditions {
		// Times have seconds only, and what changes nothing is not written.
		conditions[i].Message = fmt.Sprint(conditions[i].Message, " ", rand.Uint64())
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": conditions}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

var serial atomic.Int64

// BenchmarkPodCreate measures 16 clients that create pods.
func BenchmarkPodCreate(b *testing.B) {
	f := need(b)
	const n = 16
	clients := newWriters(b, f.sides, n)
	compare.Rate(b, f.sides, opsPerRound, func(ctx context.Context, s *side) error {
		return together(ctx, clients[s], func(ctx context.Context, client kubernetes.Interface, _ int) error {
			for range opsPerRound / n {
				if _, err := createPod(ctx, client); err != nil {
					return err
				}
			}
			return nil
		})
	})
	removeMade(b, clients)
}

// BenchmarkPodCreateLatency measures one client that creates pods.
func BenchmarkPodCreateLatency(b *testing.B) {
	f := need(b)
	clients := newWriters(b, f.sides, 1)
	compare.Latency(b, f.sides, func(ctx context.Context, s *side) error {
		_, err := createPod(ctx, clients[s][0])
		return err
	})
	removeMade(b, clients)
}

const made = "made-by-benchmark"

func createPod(ctx context.Context, client kubernetes.Interface) (*corev1.Pod, error) {
	pod := large.newPod(0)
	pod.Name = fmt.Sprint("made-", serial.Add(1))
	pod.Labels[made] = "true"
	return client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
}

// removeMade leaves the sides as they were.
func removeMade(b *testing.B, clients writers) {
	b.Helper()
	b.StopTimer()
	for s, own := range clients {
		err := own[0].CoreV1().Pods(large.nsOf(0)).DeleteCollection(b.Context(), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, metav1.ListOptions{LabelSelector: made})
		if err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}
