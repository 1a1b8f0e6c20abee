// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestCoordinatorsNeverGiveTheSame has three coordinators take more than there is
// at the same time. All of the range is given, nothing twice, and what is too
// much is refused and leaves nothing behind.
func TestCoordinatorsNeverGiveTheSame(t *testing.T) {
	const wanted = 80
	for name, c := range map[string]struct {
		change func(*corev1.ServiceSpec)
		config func(*Config)
		// given is how many get what they want.
		given int
		full  string
	}{
		"addresses": {ofType(corev1.ServiceTypeClusterIP), func(*Config) {}, 62, "no address of the pool's range 10.112.0.0/26 is free"},
		"ports": {func(s *corev1.ServiceSpec) {
			s.Type = corev1.ServiceTypeNodePort
			s.Ports = s.Ports[:1]
		}, func(c *Config) { c.Ranges = []netip.Prefix{netip.MustParsePrefix("10.112.0.0/24")} }, 48, "no node port of the pool's range 32000-32047 is free"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, 3, c.config)
			var mu sync.Mutex
			var made []*corev1.Service
			var wg sync.WaitGroup
			for i := range wanted {
				wg.Go(func() {
					s, err := pool[i%3].create(t.Context(), service(fmt.Sprintf("web-%d", i), c.change))
					switch {
					case err == nil:
						mu.Lock()
						defer mu.Unlock()
						made = append(made, s)
					case apierrors.IsTooManyRequests(err): // may be, if it is unlucky
					case !strings.Contains(err.Error(), c.full):
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if len(made) != c.given {
				t.Errorf("%d Services were made, want %d", len(made), c.given)
			}
			held := newHolding()
			for _, s := range made {
				own := holdingOf(s)
				if held.addresses.HasAny(own.addresses.UnsortedList()...) || held.ports.HasAny(own.ports.UnsortedList()...) {
					t.Errorf("%s got what another has: %v", s.Name, s.Spec)
				}
				held = held.with(own)
			}
			pool[0].wantRecorded(t, made...)
			for i, s := range made {
				wg.Go(func() { pool[i%3].delete(t, s.Name) })
			}
			wg.Wait()
			pool[0].wantRecorded(t)
		})
	}
}

// TestManyUpdatesAtOnceLoseNothing has coordinators change the type of the same
// Services back and forth. In the end what is recorded is what is held, but for
// what repair finds: records that a lost race has left.
func TestManyUpdatesAtOnceLoseNothing(t *testing.T) {
	pool := newPool(t, 3, func(c *Config) { c.NodePorts.Size = 128 })
	const services = 4
	for i := range services {
		pool[0].mustCreate(t, service(fmt.Sprintf("web-%d", i)))
	}
	types := []func(*corev1.ServiceSpec){local, ofType(corev1.ServiceTypeExternalName), ofType(corev1.ServiceTypeNodePort), ofType(corev1.ServiceTypeClusterIP)}
	var wg sync.WaitGroup
	for i := range 3 * services {
		wg.Go(func() {
			for round := range 8 {
				_, err := pool[i%3].update(t.Context(), service(fmt.Sprintf("web-%d", i%services), types[(i+round)%len(types)]))
				if err != nil && !apierrors.IsConflict(err) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var now []*corev1.Service
	held := newHolding()
	for i := range services {
		s, err := pool[0].getService(t.Context(), keyOf(pool[0].clean(service(fmt.Sprintf("web-%d", i)))))
		if err != nil {
			t.Fatal(err)
		}
		own := holdingOf(s)
		if held.addresses.HasAny(own.addresses.UnsortedList()...) || held.ports.HasAny(own.ports.UnsortedList()...) {
			t.Errorf("%s has what another has: %v", s.Name, s.Spec)
		}
		held = held.with(own)
		now = append(now, s)
	}
	recorded := pool[0].recorded(t)
	if missing := held.without(recorded); !missing.empty() {
		t.Errorf("not recorded: %v and %v", missing.addresses.UnsortedList(), missing.ports.UnsortedList())
	}
	pool[0].repairTwice(t)
	pool[0].wantRecorded(t, now...)
}
