// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/rest"
)

// repairTwice repairs what is a leak now.
func (c *coordinator) repairTwice(t *testing.T) {
	t.Helper()
	for range 2 {
		if err := c.repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.clock.SetTime(c.clock.Now().Add(leakGrace))
	}
}

// leave begins a creation that is cancelled before it ends.
func (c *coordinator) leave(t *testing.T, s *corev1.Service) *corev1.Service {
	t.Helper()
	s = c.clean(s)
	ctx, cancel := context.WithCancel(t.Context())
	finish, err := c.BeginCreate(namespaced(ctx), s, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	finish(ctx, false)
	return s
}

func TestCancelledRequestLeavesRecordsUntilTheyAreSurelyLeaks(t *testing.T) {
	pool := newPool(t, 1)[0]
	kept := pool.mustCreate(t, service("kept", local))
	left := pool.leave(t, service("left", local))
	for _, passed := range []time.Duration{0, leakGrace / 2, leakGrace/2 - time.Second} {
		pool.clock.SetTime(pool.clock.Now().Add(passed))
		if err := pool.repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		pool.wantRecorded(t, kept, left)
	}
	pool.clock.SetTime(pool.clock.Now().Add(time.Second))
	if err := pool.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.wantRecorded(t, kept)
	if err := pool.repair(t.Context()); err != nil || len(pool.leaks) != 0 {
		t.Errorf("got %v and remembers %v for no use", err, pool.leaks)
	}
}

func TestLateWriteOfACancelledRequestKeepsItsRecords(t *testing.T) {
	pool := newPool(t, 1)[0]
	late := pool.leave(t, service("late", local))
	if err := pool.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.mirror(t, late) // what etcd had still to do when the client went
	pool.repairTwice(t)
	pool.wantRecorded(t, late)
}

func TestWriteThatFailedAndWasDoneKeepsItsRecords(t *testing.T) {
	pool := newPool(t, 1)[0]
	s := pool.clean(service("web", local))
	finish, err := pool.BeginCreate(namespaced(t.Context()), s, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pool.mirror(t, s)
	finish(t.Context(), false)
	pool.wantRecorded(t, s)
}

func TestGraceBeginsAnewForANewRecord(t *testing.T) {
	pool := newPool(t, 1)[0]
	asks := service("left", withIPs("10.112.0.9"))
	pool.leave(t, asks)
	if err := pool.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.clock.SetTime(pool.clock.Now().Add(leakGrace))
	again := pool.leave(t, asks) // takes the address a second time
	if err := pool.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.wantRecorded(t, again)
	pool.repairTwice(t)
	pool.wantRecorded(t)
}

func TestRepairRecordsWhatIsMissing(t *testing.T) {
	pool := newPool(t, 1)[0]
	made := pool.mustCreate(t, service("web", local, withPolicy(corev1.IPFamilyPolicyRequireDualStack)))
	fromCloud := service("mirrored", withIPs("10.96.0.9"))
	pool.mirror(t, fromCloud)
	for addr := range holdingOf(made).addresses {
		record, err := pool.getRecord(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.deleteRecord(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	records, err := pool.ports.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if err := pool.ports.delete(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	pool.wantRecorded(t)
	if err := pool.repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool.wantRecorded(t, made) // not the cloud's
	pool.repairTwice(t)
	pool.wantRecorded(t, made)
}

func TestRepairLeavesRecordsOfOthersAlone(t *testing.T) {
	pool := newPool(t, 1)[0]
	foreign := &networkingv1.IPAddress{
		ObjectMeta: metav1.ObjectMeta{Name: "10.96.0.9", Labels: map[string]string{networkingv1.LabelManagedBy: "ipallocator.k8s.io"}},
		Spec:       networkingv1.IPAddressSpec{ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: "default", Name: "gone"}},
	}
	if _, err := pool.addresses.Create(within(t.Context(), ipAddresses, metav1.NamespaceNone), foreign, rest.ValidateAllObjectFunc, &metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pool.repairTwice(t)
	if _, err := pool.getRecord(t.Context(), netip.MustParseAddr("10.96.0.9")); err != nil {
		t.Error(err)
	}
}

func TestUnreadablePortRecordIsRemoved(t *testing.T) {
	pool := newPool(t, 1)[0]
	if _, err := pool.kv.Put(t.Context(), pool.ports.key(32009), "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.kv.Put(t.Context(), pool.ports.prefix+"/no-port", "{}"); err != nil {
		t.Fatal(err)
	}
	pool.repairTwice(t)
	pool.wantRecorded(t)
}

func TestRunRepairsAtOnceAndEnds(t *testing.T) {
	pool := newPool(t, 1)[0]
	web := service("web", withIPs("10.112.0.9"))
	pool.mirror(t, web) // a Service without a record
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pool.Run(ctx)
	}()
	deadline := time.Now().Add(time.Minute)
	for len(pool.recorded(t).addresses) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing was repaired within a minute")
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
}

func TestWhatIsRememberedOfServicesThatAreGoneIsForgotten(t *testing.T) {
	pool := newPool(t, 1)[0]
	pool.gone[types.NamespacedName{Namespace: "default", Name: "gone"}] = newHolding()
	if err := pool.repair(t.Context()); err != nil || len(pool.gone) != 0 {
		t.Errorf("got %v, and %v is remembered", err, pool.gone)
	}
}
