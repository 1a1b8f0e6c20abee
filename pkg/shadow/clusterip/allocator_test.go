// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/registry/rest"
)

func TestServiceIsGivenWhatItsTypeNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		change           func(*corev1.ServiceSpec)
		addresses, ports int
	}{
		"ClusterIP":    {ofType(corev1.ServiceTypeClusterIP), 1, 0},
		"headless":     {withIPs(corev1.ClusterIPNone), 0, 0},
		"ExternalName": {ofType(corev1.ServiceTypeExternalName), 0, 0},
		"NodePort":     {ofType(corev1.ServiceTypeNodePort), 1, 2},
		"LoadBalancer": {ofType(corev1.ServiceTypeLoadBalancer), 1, 2},
		"health check": {local, 1, 3},
		"dual stack":   {withPolicy(corev1.IPFamilyPolicyRequireDualStack), 2, 0},
		"LoadBalancer without node ports": {func(s *corev1.ServiceSpec) {
			allocate := false
			s.Type, s.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, &allocate
		}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, 1)[0]
			made := pool.mustCreate(t, service("web", c.change))
			held := holdingOf(made)
			if len(held.addresses) != c.addresses || len(held.ports) != c.ports {
				t.Errorf("got addresses %v and ports %v, want %d and %d", made.Spec.ClusterIPs, held.ports.UnsortedList(), c.addresses, c.ports)
			}
			for addr := range held.addresses {
				if !pool.ranges[familyOf(addr)].has(addr) {
					t.Errorf("got %s, which is not the pool's", addr)
				}
			}
			for port := range held.ports {
				if !poolNodePorts.Contains(int(port)) {
					t.Errorf("got port %d, which is not the pool's", port)
				}
			}
			pool.wantRecorded(t, made)
			pool.delete(t, "web")
			pool.wantRecorded(t)
		})
	}
}

func TestPortsOfOneNumberShareANodePort(t *testing.T) {
	pool := newPool(t, 1)[0]
	made := pool.mustCreate(t, service("web", ofType(corev1.ServiceTypeNodePort)))
	if p := made.Spec.Ports; p[1].NodePort != p[2].NodePort || p[0].NodePort == p[1].NodePort {
		t.Errorf("got %v", p)
	}
}

func TestWhatIsAskedForMustBeThePoolsAndFree(t *testing.T) {
	asks := func(ip string) func(*corev1.ServiceSpec) { return withIPs(ip) }
	asksPort := func(port int32) func(*corev1.ServiceSpec) {
		return func(s *corev1.ServiceSpec) {
			s.Type = corev1.ServiceTypeNodePort
			s.Ports[0].NodePort = port
		}
	}
	for name, c := range map[string]struct {
		change func(*corev1.ServiceSpec)
		want   string // in the error, empty if there is none
	}{
		"free address":             {asks("10.112.0.40"), ""},
		"taken address":            {asks("10.112.0.9"), "in use by another Service"},
		"mirrored address":         {asks("10.112.0.10"), "in use by another Service"},
		"cloud's address":          {asks("10.96.0.9"), "only the cloud knows"},
		"nobody's address":         {asks("10.200.0.9"), "the pool's own range 10.112.0.0/26"},
		"broadcast address":        {asks("10.112.0.63"), "the pool's own range 10.112.0.0/26"},
		"no address":               {asks("somewhere"), "must be a valid IP address"},
		"free port":                {asksPort(32040), ""},
		"taken port":               {asksPort(32041), "is in use"},
		"mirrored port":            {asksPort(32042), "is in use"},
		"another's port":           {asksPort(30080), "the pool's own range 32000-32047"},
		"port asked for twice":     {func(s *corev1.ServiceSpec) { asksPort(32043)(s); s.Ports[1].NodePort = 32043 }, "Duplicate value"},
		"port of the health check": {func(s *corev1.ServiceSpec) { local(s); s.Ports[0].NodePort = 32044; s.HealthCheckNodePort = 32044 }, "is in use"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, 1)[0]
			first := pool.mustCreate(t, service("first", asks("10.112.0.9"), asksPort(32041)))
			pool.mirror(t, service("mirrored", withIPs("10.112.0.10"), func(s *corev1.ServiceSpec) {
				s.Type = corev1.ServiceTypeNodePort
				s.Ports = []corev1.ServicePort{{Port: 80, NodePort: 32042}}
			}))
			made, err := pool.create(t.Context(), service("web", c.change))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("got %v, want 422 with %q", err, c.want)
			}
			pool.wantRecorded(t, first, made)
		})
	}
}

func TestPoolWithoutRangesServesWhatNeedsNone(t *testing.T) {
	without := func(c *Config) { c.Ranges, c.NodePorts = nil, utilnet.PortRange{} }
	for name, c := range map[string]struct {
		change func(*corev1.ServiceSpec)
		want   string
	}{
		"headless":     {withIPs(corev1.ClusterIPNone), ""},
		"ExternalName": {ofType(corev1.ServiceTypeExternalName), ""},
		"ClusterIP":    {ofType(corev1.ServiceTypeClusterIP), "no range of addresses of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := newPool(t, 1, without)[0].create(t.Context(), service("web", c.change))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if name == "headless" && len(made.Spec.IPFamilies) != 1 {
				t.Errorf("got families %v, want the cloud's first", made.Spec.IPFamilies)
			}
		})
	}
	t.Run("NodePort", func(t *testing.T) {
		pool := newPool(t, 1, func(c *Config) { c.NodePorts = utilnet.PortRange{} })[0]
		_, err := pool.create(t.Context(), service("web", ofType(corev1.ServiceTypeNodePort)))
		if err == nil || !strings.Contains(err.Error(), "no range of node ports of its own") {
			t.Fatalf("got %v", err)
		}
		pool.wantRecorded(t)
	})
}

func TestNothingIsGivenOnceTheCloudsRangeReachesThePools(t *testing.T) {
	cloud := cloudRanges
	pool := newPool(t, 1, func(c *Config) { c.CloudRanges = func() []netip.Prefix { return cloud } })[0]
	made := pool.mustCreate(t, service("before"))
	cloud = append(cloud[:2:2], netip.MustParsePrefix("10.112.0.0/20"))
	if _, err := pool.create(t.Context(), service("after")); err == nil || !strings.Contains(err.Error(), "overlaps 10.112.0.0/20") {
		t.Fatalf("got %v", err)
	}
	pool.wantRecorded(t, made)
}

func TestFailedCreateGivesBack(t *testing.T) {
	pool := newPool(t, 1)[0]
	first := pool.mustCreate(t, service("web", local))
	if _, err := pool.create(t.Context(), service("web", local)); !apierrors.IsAlreadyExists(err) {
		t.Fatalf("got %v", err)
	}
	pool.wantRecorded(t, first)
	invalid := service("invalid", local)
	invalid.Spec.Ports[0].Name = "NOT A NAME"
	if _, err := pool.create(t.Context(), invalid); !apierrors.IsInvalid(err) {
		t.Fatalf("got %v", err)
	}
	pool.wantRecorded(t, first)
}

func TestFailureInTheMiddleGivesBackTheBeginning(t *testing.T) {
	pool := newPool(t, 1)[0]
	// The first address is free, the second is not to be had.
	if _, err := pool.create(t.Context(), service("web", withPolicy(corev1.IPFamilyPolicyPreferDualStack), withIPs("10.112.0.9", "fd00:96::9"))); err == nil {
		t.Fatal("the cloud's address was given")
	}
	pool.wantRecorded(t)
	// Addresses are free, ports are not.
	full := pool.mustCreate(t, service("full", func(s *corev1.ServiceSpec) {
		s.Type = corev1.ServiceTypeNodePort
		s.Ports = nil
		for i := range int32(poolNodePorts.Size) {
			s.Ports = append(s.Ports, corev1.ServicePort{Name: fmt.Sprintf("p-%d", i), Port: 1000 + i})
		}
	}))
	if _, err := pool.create(t.Context(), service("web", ofType(corev1.ServiceTypeNodePort))); err == nil || !strings.Contains(err.Error(), "no node port of the pool's range 32000-32047 is free") {
		t.Fatalf("got %v", err)
	}
	pool.wantRecorded(t, full)
}

func TestDryRunGivesAndTakesNothing(t *testing.T) {
	pool := newPool(t, 1)[0]
	made, err := pool.create(t.Context(), service("web", local), metav1.DryRunAll)
	if err != nil {
		t.Fatal(err)
	}
	if held := holdingOf(made); len(held.addresses) != 1 || len(held.ports) != 3 {
		t.Errorf("got %v: a dry run must show what would be", made.Spec)
	}
	pool.wantRecorded(t)
	real := pool.mustCreate(t, service("web", local))
	if _, err := pool.update(t.Context(), service("web", ofType(corev1.ServiceTypeExternalName)), metav1.DryRunAll); err != nil {
		t.Fatal(err)
	}
	pool.delete(t, "web", metav1.DryRunAll)
	pool.wantRecorded(t, real)
	taken := service("other", withIPs(real.Spec.ClusterIP))
	if _, err := pool.create(t.Context(), taken, metav1.DryRunAll); !apierrors.IsInvalid(err) {
		t.Errorf("got %v, want that the address is taken", err)
	}
}

func TestUpdateGivesAndReleases(t *testing.T) {
	single, prefer, require := corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack
	for name, c := range map[string]struct {
		from, to         func(*corev1.ServiceSpec)
		addresses, ports int
	}{
		"same manifest":               {local, local, 1, 3},
		"to node ports":               {ofType(corev1.ServiceTypeClusterIP), ofType(corev1.ServiceTypeNodePort), 1, 3},
		"from node ports":             {ofType(corev1.ServiceTypeNodePort), ofType(corev1.ServiceTypeClusterIP), 1, 0},
		"to a health check":           {ofType(corev1.ServiceTypeLoadBalancer), local, 1, 3},
		"from a health check":         {local, ofType(corev1.ServiceTypeLoadBalancer), 1, 2},
		"to a name":                   {local, ofType(corev1.ServiceTypeExternalName), 0, 0},
		"from a name":                 {ofType(corev1.ServiceTypeExternalName), local, 1, 4},
		"to two families":             {withPolicy(single), withPolicy(require), 2, 0},
		"to one family":               {withPolicy(require), withPolicy(single), 1, 0},
		"preferring two, from single": {withPolicy(single), withPolicy(prefer), 2, 0},
		"fewer ports": {ofType(corev1.ServiceTypeNodePort), func(s *corev1.ServiceSpec) {
			s.Type = corev1.ServiceTypeNodePort
			s.Ports = s.Ports[:1]
		}, 1, 1},
		"another port by number": {ofType(corev1.ServiceTypeNodePort), func(s *corev1.ServiceSpec) {
			s.Type = corev1.ServiceTypeNodePort
			s.Ports = s.Ports[:1]
			s.Ports[0].NodePort = 32001
		}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, 1)[0]
			before := pool.mustCreate(t, service("web", c.from))
			pool.wantRecorded(t, before)
			after := pool.mustUpdate(t, service("web", c.to))
			if held := holdingOf(after); len(held.addresses) != c.addresses || len(held.ports) != c.ports {
				t.Errorf("got addresses %v and ports %v, want %d and %d", after.Spec.ClusterIPs, held.ports.UnsortedList(), c.addresses, c.ports)
			}
			if kept := holdingOf(before).without(holdingOf(before).without(holdingOf(after))); name == "same manifest" && len(kept.ports) != 3 {
				t.Errorf("ports changed from %v to %v", before.Spec.Ports, after.Spec.Ports)
			}
			pool.wantRecorded(t, after)
			if len(pool.gone) != 0 {
				t.Errorf("the allocator remembers %v for no use", pool.gone)
			}
		})
	}
}

func TestUpdateThatIsNotWrittenReleasesNothing(t *testing.T) {
	pool := newPool(t, 1)[0]
	made := pool.mustCreate(t, service("web", local))
	// The machinery reports success to the hook and then meets a conflict.
	changed := pool.clean(service("web", ofType(corev1.ServiceTypeExternalName)))
	finish, err := pool.BeginUpdate(namespaced(t.Context()), changed, made.DeepCopy(), &metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	DropUnneeded(changed, made)
	finish(t.Context(), true)
	// Another update, of something else, is written.
	labelled := made.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	pool.mustUpdate(t, labelled)
	pool.wantRecorded(t, made)
	// The first one is tried again, and written.
	pool.mustUpdate(t, service("web", ofType(corev1.ServiceTypeExternalName)))
	pool.wantRecorded(t)
}

func TestUpdateThatIsTriedAgainMayAskForTheSame(t *testing.T) {
	pool := newPool(t, 1)[0]
	made := pool.mustCreate(t, service("web"))
	asks := service("web", withIPs(made.Spec.ClusterIP, "fd00:112::9"), withPolicy(corev1.IPFamilyPolicyPreferDualStack), ofType(corev1.ServiceTypeNodePort))
	asks.Spec.Ports[0].NodePort = 32009
	finish, err := pool.BeginUpdate(namespaced(t.Context()), pool.clean(asks), made.DeepCopy(), &metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	finish(t.Context(), true) // and then a conflict
	after := pool.mustUpdate(t, asks)
	if after.Spec.ClusterIPs[1] != "fd00:112::9" || after.Spec.Ports[0].NodePort != 32009 {
		t.Errorf("got %v", after.Spec)
	}
}

func TestPutCreatesWithAllThatIsNeeded(t *testing.T) {
	pool := newPool(t, 1)[0]
	made := pool.mustUpdate(t, service("web", local))
	if held := holdingOf(made); len(held.addresses) != 1 || len(held.ports) != 3 {
		t.Errorf("got %v", made.Spec)
	}
	pool.wantRecorded(t, made)
}

func TestMirroredServiceKeepsWhatTheCloudGave(t *testing.T) {
	pool := newPool(t, 1)[0]
	pool.mirror(t, service("web", withIPs("10.96.0.9"), func(s *corev1.ServiceSpec) {
		s.Type = corev1.ServiceTypeNodePort
		s.Ports[0].NodePort, s.Ports[1].NodePort, s.Ports[2].NodePort = 30080, 30053, 30053
		s.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
		withPolicy(corev1.IPFamilyPolicySingleStack)(s)
	}))
	// A manifest names neither address nor ports.
	after := pool.mustUpdate(t, service("web", ofType(corev1.ServiceTypeNodePort), func(s *corev1.ServiceSpec) { s.Selector["tier"] = "front" }))
	if after.Spec.ClusterIP != "10.96.0.9" || after.Spec.Ports[0].NodePort != 30080 || after.Spec.Ports[2].NodePort != 30053 {
		t.Errorf("got %v", after.Spec)
	}
	pool.wantRecorded(t)
	// What it gets in addition is the pool's.
	dual := pool.mustUpdate(t, service("web", ofType(corev1.ServiceTypeNodePort), withPolicy(corev1.IPFamilyPolicyRequireDualStack)))
	if len(dual.Spec.ClusterIPs) != 2 || !strings.HasPrefix(dual.Spec.ClusterIPs[1], "fd00:112::") {
		t.Errorf("got %v", dual.Spec.ClusterIPs)
	}
	pool.delete(t, "web")
	pool.wantRecorded(t)
}

func TestPreferenceForTwoFamiliesIsNoReasonToAddOneLater(t *testing.T) {
	pool := newPool(t, 1)[0]
	// It was made where there was one family.
	pool.mirror(t, service("web", withIPs("10.96.0.9"), withPolicy(corev1.IPFamilyPolicyPreferDualStack), func(s *corev1.ServiceSpec) {
		s.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	}))
	same, err := pool.getService(t.Context(), keyOf(pool.clean(service("web"))))
	if err != nil {
		t.Fatal(err)
	}
	same.Labels = map[string]string{"a": "b"}
	if after := pool.mustUpdate(t, same); len(after.Spec.ClusterIPs) != 1 || len(after.Spec.IPFamilies) != 1 {
		t.Errorf("got %v of %v", after.Spec.ClusterIPs, after.Spec.IPFamilies)
	}
	require := service("web", withPolicy(corev1.IPFamilyPolicyRequireDualStack))
	if after := pool.mustUpdate(t, require); len(after.Spec.ClusterIPs) != 2 || len(after.Spec.IPFamilies) != 2 {
		t.Errorf("got %v of %v", after.Spec.ClusterIPs, after.Spec.IPFamilies)
	}
}

func TestServiceOlderThanThePluralCanBeChanged(t *testing.T) {
	pool := newPool(t, 1)[0]
	pool.mirror(t, service("web", func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.0.9" }))
	after := pool.mustUpdate(t, service("web", withPolicy(corev1.IPFamilyPolicyRequireDualStack)))
	if ips := after.Spec.ClusterIPs; len(ips) != 2 || ips[0] != "10.96.0.9" || after.Spec.ClusterIP != ips[0] {
		t.Errorf("got %v", ips)
	}
}

func TestGeneratedNamesOwnTheirAddresses(t *testing.T) {
	pool := newPool(t, 1)[0]
	unnamed := service("")
	unnamed.GenerateName = "web-"
	made := pool.mustCreate(t, unnamed)
	record, err := pool.getRecord(t.Context(), netip.MustParseAddr(made.Spec.ClusterIP))
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := ownerOf(record); !ok || owner != keyOf(made) {
		t.Errorf("the record is %s's, want %s's", owner, keyOf(made))
	}
}

func TestServiceWithFinalizersKeepsItsAddressUntilItIsGone(t *testing.T) {
	pool := newPool(t, 1)[0]
	kept := service("web")
	kept.Finalizers = []string{"example.com/keep"}
	made := pool.mustCreate(t, kept)
	pool.delete(t, "web")
	pool.wantRecorded(t, made)
	obj, err := pool.services.Get(namespaced(t.Context()), "web", &metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	released := obj.(*corev1.Service).DeepCopy()
	released.Finalizers = nil
	pool.mustUpdate(t, released)
	pool.wantRecorded(t)
}

func TestCancelledRequestIsGivenNothing(t *testing.T) {
	pool := newPool(t, 1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	obj, err := pool.services.Create(namespaced(ctx), pool.clean(service("web", local)), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
	if err == nil {
		t.Fatalf("got %v", obj)
	}
	pool.wantRecorded(t)
}
