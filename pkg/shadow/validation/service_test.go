// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// names tells whether one of the errors is about a field.
func names(errs field.ErrorList, path string) bool {
	return slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Field == path })
}

func TestServicesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: Service
metadata: {name: service, namespace: default}
spec:
  selector: {app: a}
  ports: [{name: http, port: 80, targetPort: http}]
`,
		variants: []change{
			ok("a name that begins with a digit", set("metadata.name", "1service")),
			ok("headless", set("spec.clusterIP", "None"), set("spec.clusterIPs", js("[None]"))),
			ok("headless without ports", set("spec.clusterIP", "None"), set("spec.clusterIPs", js("[None]")), set("spec.ports", nil)),
			ok("external name", set("spec", js("{type: ExternalName, externalName: a.example.com.}"))),
			ok("node port", set("spec.type", "NodePort"), set("spec.ports.0.nodePort", 30080)),
			ok("load balancer", set("spec.type", "LoadBalancer"), set("spec.ports.0.nodePort", 30080), set("spec.loadBalancerSourceRanges", js("[10.0.0.0/8]"))),
			ok("affinity", set("spec.sessionAffinity", "ClientIP")),
			ok("external address", set("spec.externalIPs", js("[203.0.113.1]"))),
			ok("distribution", set("spec.trafficDistribution", "PreferSameZone")),
			ok("two protocols on one port", set("spec.ports.1", js("{name: dns, port: 80, protocol: UDP}"))),
		},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a.b")),
			bad("no ports", "spec.ports", set("spec.ports", js("[]"))),
			bad("port 0", "spec.ports[0].port", set("spec.ports.0.port", 0)),
			bad("protocol", "spec.ports[0].protocol", set("spec.ports.0.protocol", "ICMP")),
			bad("target", "spec.ports[0].targetPort", set("spec.ports.0.targetPort", 70000)),
			bad("target by a name that is none", "spec.ports[0].targetPort", set("spec.ports.0.targetPort", "no-name-can-be-this-long")),
			bad("unnamed", "spec.ports[1].name", set("spec.ports.1", js("{port: 81}"))),
			bad("named twice", "spec.ports[1].name", set("spec.ports.1", js("{name: http, port: 81}"))),
			bad("port twice", "spec.ports[1]", set("spec.ports.1", js("{name: other, port: 80, protocol: TCP, targetPort: 80}"))),
			bad("name of a port", "spec.ports[0].name", set("spec.ports.0.name", "A_b")),
			bad("application protocol", "spec.ports[0].appProtocol", set("spec.ports.0.appProtocol", "a b")),
			bad("node port without need", "spec.ports[0].nodePort", set("spec.ports.0.nodePort", 30080)),
			bad("node port twice", "spec.ports[1].nodePort", set("spec.type", "NodePort"), set("spec.ports", js("[{name: a, port: 1, nodePort: 30080}, {name: b, port: 2, nodePort: 30080}]"))),
			bad("type", "spec.type", set("spec.type", "Magic")),
			bad("selector", "spec.selector", set("spec.selector", js("{a: 'b c'}"))),
			bad("affinity", "spec.sessionAffinity", set("spec.sessionAffinity", "Sometimes")),
			bad("affinity for a year", "spec.sessionAffinityConfig.clientIP.timeoutSeconds", set("spec.sessionAffinity", "ClientIP"), set("spec.sessionAffinityConfig", js("{clientIP: {timeoutSeconds: 31536000}}"))),
			bad("external address that is none", "spec.externalIPs[0]", set("spec.externalIPs", js("[a]"))),
			bad("external address of the node itself", "spec.externalIPs[0]", set("spec.externalIPs", js("[127.0.0.1]"))),
			bad("external address of the cloud's metadata", "spec.externalIPs[0]", set("spec.externalIPs", js("[169.254.169.254]"))),
			bad("address that is none", "spec.clusterIPs[0]", set("spec.clusterIP", "a"), set("spec.clusterIPs", js("[a]"))),
			bad("two addresses of one family", "spec.clusterIPs", set("spec.clusterIP", "10.96.0.9"), set("spec.clusterIPs", js("[10.96.0.9, 10.96.0.10]"))).as("-"),
			bad("address of another family", "spec.clusterIPs[0]", set("spec.clusterIP", "10.96.0.9"), set("spec.clusterIPs", js("[10.96.0.9]")), set("spec.ipFamilies", js("[IPv6]"))).as("-"),
			bad("lists that differ", "spec.clusterIPs", set("spec.clusterIP", "10.96.0.9"), set("spec.clusterIPs", js("[10.96.0.10]"))),
			bad("family", "spec.ipFamilies[0]", set("spec.ipFamilies", js("[IPv5]"))),
			bad("family policy", "spec.ipFamilyPolicy", set("spec.ipFamilyPolicy", "Any")),
			bad("external name that is none", "spec.externalName", set("spec", js("{type: ExternalName, externalName: 'a b'}"))),
			bad("no external name", "spec.externalName", set("spec", js("{type: ExternalName}"))),
			bad("headless load balancer", "spec.clusterIPs[0]", set("spec.type", "LoadBalancer"), set("spec.clusterIP", "None"), set("spec.clusterIPs", js("[None]"))),
			bad("source ranges without need", "spec.loadBalancerSourceRanges", set("spec.loadBalancerSourceRanges", js("[10.0.0.0/8]"))).as("spec.LoadBalancerSourceRanges"),
			bad("source range that is none", "spec.loadBalancerSourceRanges[0]", set("spec.type", "LoadBalancer"), set("spec.loadBalancerSourceRanges", js("[a]"))).as("spec.LoadBalancerSourceRanges[0]"),
			bad("source ranges in an annotation", "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]", set("spec.type", "LoadBalancer"), set("metadata.annotations", js("{service.beta.kubernetes.io/load-balancer-source-ranges: a}"))),
			bad("class without need", "spec.loadBalancerClass", set("spec.loadBalancerClass", "a.b/c")),
			bad("external policy without need", "spec.externalTrafficPolicy", set("spec.externalTrafficPolicy", "Local")),
			bad("external policy", "spec.externalTrafficPolicy", set("spec.type", "NodePort"), set("spec.externalTrafficPolicy", "Magic")),
			bad("internal policy", "spec.internalTrafficPolicy", set("spec.internalTrafficPolicy", "Magic")),
			bad("health port without need", "spec.healthCheckNodePort", set("spec.type", "LoadBalancer"), set("spec.healthCheckNodePort", 30081)),
			bad("distribution", "spec.trafficDistribution", set("spec.trafficDistribution", "Everywhere")),
			bad("two ways to say it", "metadata.annotations[service.kubernetes.io/topology-mode]", set("metadata.annotations", js("{service.kubernetes.io/topology-mode: a, service.kubernetes.io/topology-aware-hints: b}"))),
		},
		stored: []edit{set("spec.clusterIP", "10.96.12.34"), set("spec.clusterIPs", js("[10.96.12.34]"))},
		updates: []change{
			ok("another port", set("spec.ports.0.port", 81)),
			ok("another selector", set("spec.selector", js("{c: d}"))),
			ok("to an external name", set("spec", js("{type: ExternalName, externalName: a.b}"))),
		},
		badUpdates: []refusal{
			bad("another address", "spec.clusterIPs[0]", set("spec.clusterIP", "10.96.0.77"), set("spec.clusterIPs", js("[10.96.0.77]"))),
			bad("headless", "spec.clusterIPs[0]", set("spec.clusterIP", "None"), set("spec.clusterIPs", js("[None]"))),
			bad("another family", "spec.ipFamilies[0]", set("spec.ipFamilies", js("[IPv6]"))).as("spec.clusterIPs[0]"),
		},
		badStatuses: []refusal{
			bad("a balancer of no balanced service", "status.loadBalancer.ingress", set("status.loadBalancer.ingress", js("[{ip: 10.0.0.1}]"))),
		},
	}.run(t)
}

func TestLoadBalancersLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: Service
metadata: {name: balancer, namespace: default}
spec:
  type: LoadBalancer
  loadBalancerClass: example.com/class
  ports: [{port: 80, nodePort: 31234}]
`,
		statuses: []change{ok("an address", set("status.loadBalancer.ingress", js("[{ip: 203.0.113.1, ipMode: VIP}, {hostname: a.example.com}]")))},
		badStatuses: []refusal{
			bad("an address that is none", "status.loadBalancer.ingress[0].ip", set("status.loadBalancer.ingress", js("[{ip: a, ipMode: VIP}]"))),
			bad("a mode without address", "status.loadBalancer.ingress[0].ipMode", set("status.loadBalancer.ingress", js("[{hostname: a.b, ipMode: VIP}]"))),
			bad("a host name that is an address", "status.loadBalancer.ingress[0].hostname", set("status.loadBalancer.ingress", js("[{hostname: 10.0.0.1}]"))),
		},
		badUpdates: []refusal{
			bad("another class", "spec.loadBalancerClass", set("spec.loadBalancerClass", "example.com/other")),
		},
	}.run(t)
}

func TestEndpointSlicesLikeKubeAPIServer(t *testing.T) {
	endpoint := func(text string) edit { return set("endpoints.0", js(text)) }
	kindCase{
		good: `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: slice, namespace: default, labels: {kubernetes.io/service-name: service}}
addressType: IPv4
endpoints: [{addresses: [10.1.2.3], conditions: {ready: true}, nodeName: node, hostname: a}]
ports: [{name: http, port: 80}]
`,
		variants: []change{
			ok("ipv6", set("addressType", "IPv6"), endpoint("{addresses: ['fd00::1']}")),
			ok("names", set("addressType", "FQDN"), endpoint("{addresses: [a.example.com]}")),
			ok("unnamed port", set("ports", js("[{port: 80, protocol: UDP}]"))),
			ok("all ports", set("ports", nil)),
			ok("hints", endpoint("{addresses: [10.1.2.3], hints: {forZones: [{name: a}], forNodes: [{name: b}]}}")),
		},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("address type", "addressType", set("addressType", "IPX")),
			bad("no addresses", "endpoints[0].addresses", endpoint("{addresses: []}")),
			bad("address that is none", "endpoints[0].addresses[0]", endpoint("{addresses: [a]}")),
			bad("address with leading zeros", "endpoints[0].addresses[0]", endpoint("{addresses: [010.1.2.3]}")),
			bad("address of another family", "endpoints[0].addresses[0]", endpoint("{addresses: ['fd00::1']}")).as("endpoints[0].addresses"),
			bad("loopback", "endpoints[0].addresses[0]", endpoint("{addresses: [127.0.0.1]}")),
			bad("the cloud's metadata", "endpoints[0].addresses[0]", endpoint("{addresses: [169.254.169.254]}")),
			bad("multicast", "endpoints[0].addresses[0]", endpoint("{addresses: [224.0.0.1]}")),
			bad("node", "endpoints[0].nodeName", endpoint("{addresses: [10.1.2.3], nodeName: a/b}")),
			bad("host", "endpoints[0].hostname", endpoint("{addresses: [10.1.2.3], hostname: a.b}")),
			bad("zone twice", "endpoints[0].hints.forZones[1].name", endpoint("{addresses: [10.1.2.3], hints: {forZones: [{name: a}, {name: a}]}}")),
			bad("port name", "ports[0].name", set("ports.0.name", "A_")),
			bad("port name twice", "ports[1].name", set("ports.1", js("{name: http, port: 81}"))),
			bad("protocol", "ports[0].protocol", set("ports.0.protocol", "ICMP")),
			bad("label", "metadata.labels", set("metadata.labels", js("{a: 'b c'}"))),
		},
		updates:    []change{ok("another endpoint", endpoint("{addresses: [10.1.2.4]}"))},
		badUpdates: []refusal{bad("another type", "addressType", set("addressType", "IPv6"), endpoint("{addresses: ['fd00::1']}"))},
	}.run(t)
}

func TestEndpointsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: Endpoints
metadata: {name: endpoints, namespace: default}
subsets: [{addresses: [{ip: 10.1.2.3, nodeName: a}], ports: [{port: 80}]}]
`,
		bad: []refusal{
			bad("no addresses", "subsets[0]", set("subsets.0", js("{ports: [{port: 80}]}"))),
			bad("address that is none", "subsets[0].addresses[0].ip", set("subsets.0.addresses.0.ip", "a")),
			bad("loopback", "subsets[0].addresses[0].ip", set("subsets.0.addresses.0.ip", "127.0.0.1")),
			bad("the cloud's metadata", "subsets[0].notReadyAddresses[0].ip", set("subsets.0.notReadyAddresses", js("[{ip: 169.254.169.254}]"))),
			bad("port", "subsets[0].ports[0].port", set("subsets.0.ports.0.port", 0)),
			bad("unnamed ports", "subsets[0].ports[0].name", set("subsets.0.ports", js("[{port: 1}, {port: 2, name: b}]"))),
		},
		updates: []change{ok("another address", set("subsets.0.addresses.0.ip", "10.1.2.4"))},
	}.run(t)
}

// kube-apiserver leaves this to the allocator of ports, which no dry run asks.
func TestServicesTakeNoPortsOfTheNode(t *testing.T) {
	for _, port := range []int32{22, 6443, 10250, 29999, 32768} {
		s := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{NodePort: port}}}}
		if errs := Create(s); !names(errs, "spec.ports[0].nodePort") {
			t.Errorf("Port %d: %v", port, errs.ToAggregate())
		}
	}
}

// A single one of these stops kube-proxy from programming anything.
func TestEndpointSlicePortsMustBePorts(t *testing.T) {
	for _, port := range []int{0, -1, 70000} {
		slice := sliceWithPort(port)
		if errs := Create(slice); len(errs) != 1 || errs[0].Field != "ports[0].port" {
			t.Errorf("Port %d: %v", port, errs.ToAggregate())
		}
	}
}
