// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterip

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
)

// outcome is what can be compared of two servers with different ranges.
type outcome struct {
	Refused  bool
	Type     corev1.ServiceType
	Policy   corev1.IPFamilyPolicy
	Families []corev1.IPFamily
	// ClusterIPs are None, or the families of the addresses.
	ClusterIP  string
	ClusterIPs []string
	// NodePorts has for each port 0, or which of the Service's node ports it has.
	NodePorts   []int
	HealthCheck bool
	Asked       []string // the numbers that were asked for and given
}

func outcomeOf(s *corev1.Service, err error, asked []string) outcome {
	if err != nil {
		return outcome{Refused: true}
	}
	kind := func(ip string) string {
		if addr, ok := parseAddr(ip); ok {
			return string(familyOf(addr))
		}
		return ip
	}
	o := outcome{
		Type: s.Spec.Type, Policy: policyOf(s), Families: s.Spec.IPFamilies,
		ClusterIP: kind(s.Spec.ClusterIP), HealthCheck: s.Spec.HealthCheckNodePort != 0,
	}
	for _, ip := range s.Spec.ClusterIPs {
		o.ClusterIPs = append(o.ClusterIPs, kind(ip))
		for _, a := range asked {
			if a == ip {
				o.Asked = append(o.Asked, kind(ip))
			}
		}
	}
	numbers := map[int32]int{0: 0}
	for _, p := range s.Spec.Ports {
		if _, ok := numbers[p.NodePort]; !ok {
			numbers[p.NodePort] = len(numbers)
		}
		o.NodePorts = append(o.NodePorts, numbers[p.NodePort])
	}
	return o
}

// both are a kube-apiserver and a coordinator with the same number of families.
type both struct {
	theirs corev1client.ServiceInterface
	ours   *coordinator
}

// The ranges differ in this alone.
var toPool = strings.NewReplacer("10.96.", "10.112.", "fd00:96:", "fd00:112:")

func forPool(s *corev1.Service) *corev1.Service {
	s = s.DeepCopy()
	s.Spec.ClusterIP = toPool.Replace(s.Spec.ClusterIP)
	for i := range s.Spec.ClusterIPs {
		s.Spec.ClusterIPs[i] = toPool.Replace(s.Spec.ClusterIPs[i])
	}
	return s
}

func newBoth(t *testing.T, cidrs ...string) both {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real control plane; not with -short")
	}
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.ControlPlane()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	args := []string{"--service-cluster-ip-range=" + strings.Join(cidrs, ",")}
	if strings.Contains(cidrs[0], ":") {
		args = append(args, "--advertise-address=::1") // of the default family
	}
	cp, err := controlplane.Start(ctx, controlplane.Config{Dir: t.TempDir(), Binaries: programs, APIServerArgs: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cp.Stop)
	config := cp.RESTConfig()
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ours := newPool(t, 1, func(c *Config) {
		c.Ranges = nil
		for _, cidr := range cidrs {
			c.Ranges = append(c.Ranges, netip.MustParsePrefix(toPool.Replace(cidr)))
		}
		c.NodePorts = utilnet.PortRange{Base: 30000, Size: 2768}
	})
	return both{client.CoreV1().Services(metav1.NamespaceDefault), ours[0]}
}

// compare fails the test if one server refuses what the other does not, or gives
// what the other does not.
func compare(t *testing.T, what string, theirs, ours *corev1.Service, theirErr, ourErr error, asked []string) {
	t.Helper()
	var pool []string
	for _, a := range asked {
		pool = append(pool, toPool.Replace(a))
	}
	if diff := cmp.Diff(outcomeOf(theirs, theirErr, asked), outcomeOf(ours, ourErr, pool)); diff != "" {
		t.Errorf("%s (-theirs +ours):\n%s\ntheir error: %v\nour error: %v", what, diff, theirErr, ourErr)
	}
}

func TestNewServicesAreCompletedAsByKubeAPIServer(t *testing.T) {
	for name, cidrs := range map[string][]string{
		"IPv4 alone": {"10.96.0.0/16"},
		"IPv4 first": {"10.96.0.0/16", "fd00:96::/112"},
		"IPv6 first": {"fd00:96::/112", "10.96.0.0/16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBoth(t, cidrs...)
			for what, s := range newServices() {
				b.compareNew(t, what, s)
			}
			b.ours.wantRecorded(t)
		})
	}
}

func (b both) compareNew(t *testing.T, what string, s *corev1.Service) {
	t.Helper()
	theirs, theirErr := b.theirs.Create(t.Context(), s, metav1.CreateOptions{})
	ours, ourErr := b.ours.create(t.Context(), forPool(s))
	compare(t, what, theirs, ours, theirErr, ourErr, s.Spec.ClusterIPs)
	// There are few ports, so each Service goes before the next comes.
	if theirErr == nil {
		if err := b.theirs.Delete(t.Context(), s.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if ourErr == nil {
		b.ours.delete(t, s.Name)
	}
}

// newServices are all combinations of what decides on families and addresses.
func newServices() iter.Seq2[string, *corev1.Service] {
	return func(yield func(string, *corev1.Service) bool) {
		n := 0
		for _, serviceType := range serviceTypes {
			for _, policy := range policies {
				for _, families := range familyLists {
					for _, selector := range selectors {
						for choice := range addressChoices {
							n++
							asked := askedAddresses(choice, n)
							s := service(fmt.Sprintf("web-%d", n), serviceType.change, func(s *corev1.ServiceSpec) {
								s.IPFamilyPolicy, s.IPFamilies, s.Selector = policy, families, selector
								if len(asked) > 0 {
									s.ClusterIP, s.ClusterIPs = asked[0], asked
								}
							})
							what := fmt.Sprintf("%s, policy %s, families %v, selector %v, addresses %v",
								serviceType.name, ptr.Deref(policy, "none"), families, selector, asked)
							if !yield(what, s) {
								return
							}
						}
					}
				}
			}
		}
	}
}

var serviceTypes = []struct {
	name   string
	change func(*corev1.ServiceSpec)
}{
	{"ClusterIP", ofType(corev1.ServiceTypeClusterIP)},
	{"LoadBalancer", local},
	{"ExternalName", ofType(corev1.ServiceTypeExternalName)},
}

var (
	single, prefer, require = corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack

	policies    = []*corev1.IPFamilyPolicy{nil, &single, &prefer, &require}
	selectors   = []map[string]string{nil, {"app": "web"}}
	familyLists = [][]corev1.IPFamily{nil, {corev1.IPv4Protocol}, {corev1.IPv6Protocol}, {corev1.IPv4Protocol, corev1.IPv6Protocol}, {corev1.IPv6Protocol, corev1.IPv4Protocol}}
)

const addressChoices = 7

// askedAddresses returns what the n-th Service asks for.
func askedAddresses(choice, n int) []string {
	v4, v6 := fmt.Sprintf("10.96.%d.%d", n/200, n%200+20), fmt.Sprintf("fd00:96::%x", n+20)
	return [addressChoices][]string{nil, {corev1.ClusterIPNone}, {v4}, {v6}, {v4, v6}, {v6, v4}, {v4, v4}}[choice]
}

// TestChangedServicesAreCompletedAsByKubeAPIServer changes each kind of Service
// into each other: by a manifest that says nothing else, and by an edit of what
// there is.
func TestChangedServicesAreCompletedAsByKubeAPIServer(t *testing.T) {
	for name, c := range map[string]struct {
		cidrs []string
		edits []bool
	}{
		"one family":   {[]string{"10.96.0.0/16"}, []bool{true}},
		"two families": {[]string{"10.96.0.0/16", "fd00:96::/112"}, []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBoth(t, c.cidrs...)
			n := 0
			for _, from := range changes {
				for _, to := range changes {
					for _, edit := range c.edits {
						n++
						what := fmt.Sprintf("from %s to %s, edit %t", from.name, to.name, edit)
						b.compareChange(t, what, fmt.Sprintf("web-%d", n), from.change, to.change, edit)
					}
				}
			}
			b.ours.wantRecorded(t)
		})
	}
}

func (b both) compareChange(t *testing.T, what, name string, from, to func(*corev1.ServiceSpec), edit bool) {
	t.Helper()
	first := service(name, from)
	theirs, theirErr := b.theirs.Create(t.Context(), first, metav1.CreateOptions{})
	ours, ourErr := b.ours.create(t.Context(), first)
	compare(t, what+", before", theirs, ours, theirErr, ourErr, nil)
	if theirErr != nil || ourErr != nil {
		return
	}
	theirNext, ourNext := service(name, to), service(name, to)
	if edit {
		theirNext, ourNext = theirs.DeepCopy(), ours.DeepCopy()
		to(&theirNext.Spec)
		to(&ourNext.Spec)
	}
	theirs, theirErr = b.theirs.Update(t.Context(), theirNext, metav1.UpdateOptions{})
	ours, ourErr = b.ours.update(t.Context(), ourNext)
	compare(t, what, theirs, ours, theirErr, ourErr, nil)
	if err := b.theirs.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.ours.delete(t, name)
}

var changes = []struct {
	name   string
	change func(*corev1.ServiceSpec)
}{
	{"ClusterIP", ofType(corev1.ServiceTypeClusterIP)},
	{"NodePort", ofType(corev1.ServiceTypeNodePort)},
	{"LoadBalancer", func(s *corev1.ServiceSpec) {
		s.Type, s.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyCluster
	}},
	{"LoadBalancer with health check", local},
	{"LoadBalancer without node ports", func(s *corev1.ServiceSpec) {
		allocate := false
		s.Type, s.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, &allocate
	}},
	{"ExternalName", ofType(corev1.ServiceTypeExternalName)},
	{"ExternalName without singular", func(s *corev1.ServiceSpec) {
		ofType(corev1.ServiceTypeExternalName)(s)
		s.ClusterIP = ""
	}},
	{"headless", withIPs(corev1.ClusterIPNone)},
	{"headless without selector", func(s *corev1.ServiceSpec) { withIPs(corev1.ClusterIPNone)(s); s.Selector = nil }},
	{"single", withPolicy(single)},
	{"prefer", withPolicy(prefer)},
	{"require", withPolicy(require)},
	{"IPv6", func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} }},
	{"IPv6 first", func(s *corev1.ServiceSpec) {
		withPolicy(prefer)(s)
		s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
	}},
	{"without address", func(s *corev1.ServiceSpec) { s.ClusterIP, s.ClusterIPs = "", nil }},
	{"without singular", func(s *corev1.ServiceSpec) { s.ClusterIP = "" }},
	{"first address only", func(s *corev1.ServiceSpec) {
		if len(s.ClusterIPs) > 1 {
			s.ClusterIPs = s.ClusterIPs[:1]
		}
	}},
	{"first family only", func(s *corev1.ServiceSpec) {
		if len(s.IPFamilies) > 1 {
			s.IPFamilies = s.IPFamilies[:1]
		}
	}},
	{"fewer ports", func(s *corev1.ServiceSpec) { s.Ports = s.Ports[:1] }},
	{"ports in another order", func(s *corev1.ServiceSpec) { slices.Reverse(s.Ports) }},
	{"ports without node ports", func(s *corev1.ServiceSpec) {
		for i := range s.Ports {
			s.Ports[i].NodePort = 0
		}
	}},
	{"node port moved", func(s *corev1.ServiceSpec) {
		if last := len(s.Ports) - 1; last > 0 {
			s.Ports[0].NodePort, s.Ports[last].NodePort = 0, s.Ports[0].NodePort
		}
	}},
}
