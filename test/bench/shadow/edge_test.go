// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

const (
	pollPeriod = time.Millisecond

	// leasePeriod and statusPeriod are how often a kubelet renews its lease and, at
	// worst, reports its node.
	leasePeriod  = 10 * time.Second
	statusPeriod = 10 * time.Second

	// steady is how long an edge pool runs before it is measured.
	steady = 60 * time.Second
)

// BenchmarkEdge measures a pool as they are: 20 nodes with a kubelet and a kube-proxy
// each, which watch what they do in a cluster, renew their leases and report their
// nodes. The figures are read while they do so.
func BenchmarkEdge(b *testing.B) {
	once(b, func(ctx context.Context) (figures, error) {
		dir, err := newDir("edge")
		if err != nil {
			return nil, err
		}
		sides, err := newSides(dir)
		if err != nil {
			return nil, err
		}
		for _, s := range sides {
			if _, err := s.up(ctx); err != nil {
				return nil, err
			}
			defer s.stop()
		}
		if _, err := load(ctx, sides, edge); err != nil {
			return nil, err
		}
		f := figures{}
		for _, s := range sides {
			// Pools restart more often than they are filled anew.
			took, err := s.restart(ctx)
			if err != nil {
				return nil, err
			}
			f[s.name+"-start-ms"] = float64(took) / float64(time.Millisecond)
		}
		pools := make([]*edgePool, len(sides))
		for i, s := range sides {
			if pools[i], err = newEdgePool(ctx, s); err != nil {
				return nil, fmt.Errorf("%s: %w", s, err)
			}
			defer pools[i].stop()
		}
		return f, measureEdge(ctx, f, sides, pools)
	})
}

func measureEdge(ctx context.Context, f figures, sides []*side, pools []*edgePool) error {
	if err := settle(ctx); err != nil {
		return err
	}
	before := map[*side]usage{}
	for _, s := range sides {
		var err error
		if before[s], err = s.usage(); err != nil {
			return err
		}
	}
	began := time.Now()
	select {
	case <-time.After(steady):
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(began)
	for i, s := range sides {
		if err := pools[i].failure(); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		after, err := s.usage()
		if err != nil {
			return err
		}
		if err := f.memory(s, ""); err != nil {
			return err
		}
		f[s.name+"-cpu-percent"] = 100 * (after.cpu - before[s].cpu).Seconds() / took.Seconds()
		f[s.name+"-written-KiB/s"] = float64(after.written-before[s].written) / 1024 / took.Seconds()
		f[s.name+"-watches"] = float64(pools[i].watches)
	}
	for _, s := range sides {
		if err := f.disk(s); err != nil {
			return err
		}
		if err := f.runtime(ctx, s); err != nil {
			return err
		}
		if err := s.profile(ctx, "edge"); err != nil {
			return err
		}
	}
	return nil
}

// edgePool are the clients of a pool's nodes.
type edgePool struct {
	cancel  context.CancelCauseFunc
	ctx     context.Context
	running sync.WaitGroup
	watches int
}

func newEdgePool(ctx context.Context, s *side) (*edgePool, error) {
	p := &edgePool{}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	for i := range edge.nodes {
		if err := errors.Join(p.kubelet(s, i), p.kubeProxy(s, i)); err != nil {
			p.stop()
			return nil, err
		}
	}
	return p, nil
}

// stop ends the clients, and returns when they have ended.
func (p *edgePool) stop() {
	p.cancel(nil)
	p.running.Wait()
}

// failure is what ended the clients, if anything did.
func (p *edgePool) failure() error { return context.Cause(p.ctx) }

// kubelet does what the kubelet of a node does while nothing changes.
func (p *edgePool) kubelet(s *side, node int) error {
	client, err := s.client("system:node:"+nodeName(node), "system:nodes")
	if err != nil {
		return err
	}
	core := client.CoreV1().RESTClient()
	own := fields.OneTermEqualSelector("metadata.name", nodeName(node))
	if err := errors.Join(
		p.watch(core, "nodes", "", own.String(), ""),
		p.watch(core, "services", "", "spec.clusterIP!=None", ""),
		p.watch(client.StorageV1().RESTClient(), "csidrivers", "", "", ""),
		p.watch(client.NodeV1().RESTClient(), "runtimeclasses", "", "", ""),
		p.watch(core, "pods", "", "spec.nodeName="+nodeName(node), ""),
	); err != nil {
		return err
	}
	for i := range edge.used {
		name := "metadata.name=" + usedName(node, i)
		if err := errors.Join(p.watch(core, "configmaps", edge.ns(node), name, ""), p.watch(core, "secrets", edge.ns(node), name, "")); err != nil {
			return err
		}
	}
	p.every(leasePeriod, node, func(ctx context.Context) error {
		lease, err := client.CoordinationV1().Leases(leaseNamespace).Get(ctx, nodeName(node), metav1.GetOptions{})
		if err != nil {
			return err
		}
		renew(lease)
		_, err = client.CoordinationV1().Leases(leaseNamespace).Update(ctx, lease, metav1.UpdateOptions{})
		return err
	})
	p.every(statusPeriod, node, func(ctx context.Context) error { return reportNode(ctx, client, nodeName(node)) })
	return nil
}

// kubeProxy watches what the kube-proxy of a node does.
func (p *edgePool) kubeProxy(s *side, node int) error {
	client, err := s.client("system:kube-proxy")
	if err != nil {
		return err
	}
	core := client.CoreV1().RESTClient()
	return errors.Join(
		p.watch(core, "nodes", "", "metadata.name="+nodeName(node), ""),
		p.watch(core, "services", "", "spec.clusterIP!=None", "!service.kubernetes.io/service-proxy-name"),
		p.watch(client.DiscoveryV1().RESTClient(), "endpointslices", "", "", "!service.kubernetes.io/headless"),
		p.watch(client.NetworkingV1().RESTClient(), "servicecidrs", "", "", ""),
	)
}

// watch lists and watches in one request, and returns when the list is complete.
func (p *edgePool) watch(client cache.Getter, resource, namespace, fieldSelector, labelSelector string) error {
	options := &metav1.ListOptions{
		Watch: true, AllowWatchBookmarks: true, SendInitialEvents: new(true),
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		FieldSelector:        fieldSelector, LabelSelector: labelSelector,
		TimeoutSeconds: new(int64(time.Hour / time.Second)),
	}
	w, err := client.Get().Namespace(namespace).Resource(resource).VersionedParams(options, metav1.ParameterCodec).Watch(p.ctx)
	if err != nil {
		return fmt.Errorf("watching %s: %w", resource, err)
	}
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			w.Stop()
			return fmt.Errorf("watching %s: %v", resource, event.Object)
		}
		if m, ok := event.Object.(metav1.Object); ok && event.Type == watch.Bookmark && m.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
			p.watches++
			p.running.Go(func() {
				defer w.Stop()
				for range w.ResultChan() {
				}
				if p.ctx.Err() == nil {
					p.cancel(fmt.Errorf("the watch of %s ended", resource))
				}
			})
			return nil
		}
	}
	w.Stop()
	return fmt.Errorf("the watch of %s ended before its list was complete", resource)
}

// every does something at intervals. The nodes take turns.
func (p *edgePool) every(period time.Duration, node int, do func(ctx context.Context) error) {
	p.running.Go(func() {
		wait := period * time.Duration(node) / time.Duration(edge.nodes)
		for {
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = period
			if err := do(p.ctx); err != nil && p.ctx.Err() == nil {
				p.cancel(err)
				return
			}
		}
	})
}

func allTrue(all []cache.InformerSynced) bool {
	for _, f := range all {
		if !f() {
			return false
		}
	}
	return true
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(pollPeriod):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
