// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import "testing"

func TestNetworkPoliciesLikeKubeAPIServer(t *testing.T) {
	from := func(text string) edit { return set("spec.ingress.0.from.0", js(text)) }
	port := func(text string) edit { return set("spec.ingress.0.ports.0", js(text)) }
	kindCase{
		good: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy, namespace: default}
spec:
  podSelector: {matchLabels: {a: b}}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {podSelector: {}, namespaceSelector: {}}], ports: [{port: 80, endPort: 90}, {port: http}]}]
  policyTypes: [Ingress]
`,
		bad: []refusal{
			bad("selector", "spec.podSelector.matchLabels", set("spec.podSelector.matchLabels.a", "b c")),
			bad("no peer", "spec.ingress[0].from[0]", from("{}")),
			bad("two sorts of peers", "spec.ingress[0].from[0]", from("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}")),
			bad("range that is none", "spec.ingress[0].from[0].ipBlock.cidr", from("{ipBlock: {cidr: a}}")),
			bad("all but more", "spec.ingress[0].from[0].ipBlock.except[0]", from("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}")),
			bad("all but all", "spec.ingress[0].from[0].ipBlock.except[0]", from("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}")),
			bad("port", "spec.ingress[0].ports[0].port", port("{port: 70000}")),
			bad("protocol", "spec.ingress[0].ports[0].protocol", port("{port: 80, protocol: ICMP}")),
			bad("end before beginning", "spec.ingress[0].ports[0].endPort", port("{port: 80, endPort: 70}")),
			bad("end of a name", "spec.ingress[0].ports[0].endPort", port("{port: http, endPort: 70}")),
			bad("type", "spec.policyTypes[0]", set("spec.policyTypes", js("[Sideways]"))),
			bad("three types", "spec.policyTypes", set("spec.policyTypes", js("[Ingress, Egress, Ingress]"))),
		},
		updates: []change{ok("others", set("spec.podSelector", js("{}")))},
	}.run(t)
}

func TestIngressesLikeKubeAPIServer(t *testing.T) {
	path := func(text string) edit { return set("spec.rules.0.http.paths.0", js(text)) }
	const backend = "backend: {service: {name: a, port: {number: 80}}}"
	kindCase{
		good: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ingress, namespace: default}
spec:
  ingressClassName: a
  rules: [{host: "*.example.com", http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: a, port: {name: http}}}}]}}]
  tls: [{hosts: [a.example.com], secretName: a}]
`,
		variants: []change{
			ok("default only", set("spec", js("{defaultBackend: {resource: {apiGroup: a.b, kind: A, name: b}}}"))),
			ok("as its controller likes", path("{pathType: ImplementationSpecific, "+backend+"}")),
		},
		bad: []refusal{
			bad("nothing", "spec", set("spec", js("{}"))),
			bad("host that is an address", "spec.rules[0].host", set("spec.rules.0.host", "10.0.0.1")),
			bad("host that is none", "spec.rules[0].host", set("spec.rules.0.host", "a b")),
			bad("wildcard in the middle", "spec.rules[0].host", set("spec.rules.0.host", "a.*.b")),
			bad("no paths", "spec.rules[0].http.paths", set("spec.rules.0.http.paths", js("[]"))),
			bad("no path type", "spec.rules[0].http.paths[0].pathType", path("{path: /a, "+backend+"}")),
			bad("path type", "spec.rules[0].http.paths[0].pathType", path("{path: /a, pathType: Magic, "+backend+"}")),
			bad("relative path", "spec.rules[0].http.paths[0].path", path("{path: a, pathType: Exact, "+backend+"}")),
			bad("path that leads up", "spec.rules[0].http.paths[0].path", path("{path: /a/../b, pathType: Exact, "+backend+"}")),
			bad("no backend", "spec.rules[0].http.paths[0].backend", path("{path: /a, pathType: Exact, backend: {}}")),
			bad("backend without port", "spec.rules[0].http.paths[0].backend.service.port", path("{path: /a, pathType: Exact, backend: {service: {name: a}}}")).as("spec.rules[0].http.paths[0].backend"),
			bad("backend that is none", "spec.rules[0].http.paths[0].backend.service.name", path("{path: /a, pathType: Exact, backend: {service: {name: a.b, port: {number: 80}}}}")),
			bad("resource without kind", "spec.defaultBackend.resource.kind", set("spec.defaultBackend", js("{resource: {name: a}}"))),
			bad("host of a certificate", "spec.tls[0].hosts[0]", set("spec.tls.0.hosts.0", "a b")),
			bad("secret", "spec.tls[0].secretName", set("spec.tls.0.secretName", "../a")),
			bad("class", "spec.ingressClassName", set("spec.ingressClassName", "A")),
			bad("class said twice", "annotations.kubernetes.io/ingress.class", set("metadata.annotations", js("{kubernetes.io/ingress.class: b}"))),
		},
		badStatuses: []refusal{
			bad("an address that is none", "status.loadBalancer.ingress[0].ip", set("status.loadBalancer.ingress", js("[{ip: a}]"))),
		},
		updates: []change{ok("another host", set("spec.rules.0.host", "b.example.com"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: class}, spec: {controller: example.com/a, parameters: {kind: A, name: b, scope: Cluster}}}",
		bad: []refusal{
			bad("controller", "spec.controller", set("spec.controller", "a")),
			bad("parameters without name", "spec.parameters.name", set("spec.parameters.name", "")),
			bad("scope", "spec.parameters.scope", set("spec.parameters.scope", "World")),
			bad("namespace without need", "spec.parameters.namespace", set("spec.parameters.namespace", "a")),
			bad("no namespace", "spec.parameters.namespace", set("spec.parameters.scope", "Namespace")),
		},
		badUpdates: []refusal{bad("another controller", "spec.controller", set("spec.controller", "example.com/b"))},
	}.run(t)
}

func TestServiceCIDRsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: range}, spec: {cidrs: [10.97.0.0/16]}}",
		bad: []refusal{
			bad("no range", "spec.cidrs", set("spec.cidrs", js("[]"))),
			bad("range that is none", "spec.cidrs[0]", set("spec.cidrs", js("[10.97.0.1/16]"))),
			bad("three ranges", "spec.cidrs", set("spec.cidrs", js("[10.97.0.0/16, 'fd00::/112', 10.98.0.0/16]"))),
			bad("two of one family", "spec.cidrs", set("spec.cidrs", js("[10.97.0.0/16, 10.98.0.0/16]"))),
		},
		updates: []change{ok("a second family", set("spec.cidrs.1", "fd00::/112"))},
		badUpdates: []refusal{
			bad("another range", "spec.cidrs[0]", set("spec.cidrs.0", "10.98.0.0/16")),
		},
	}.run(t)
	kindCase{
		good: "{apiVersion: networking.k8s.io/v1, kind: IPAddress, metadata: {name: 10.96.3.4}, spec: {parentRef: {resource: services, name: a, namespace: default}}}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a")),
			bad("name with zeros", "metadata.name", set("metadata.name", "10.96.03.4")),
			bad("of nothing", "spec.parentRef", set("spec.parentRef", nil)),
			bad("of no resource", "spec.parentRef.resource", set("spec.parentRef.resource", "")),
			bad("of no name", "spec.parentRef.name", set("spec.parentRef.name", "")),
		},
		badUpdates: []refusal{bad("of another", "spec.parentRef", set("spec.parentRef.name", "b"))},
	}.run(t)
}
