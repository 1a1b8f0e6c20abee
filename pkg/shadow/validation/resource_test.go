// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import "testing"

func TestResourceClaimsLikeKubeAPIServer(t *testing.T) {
	const devices = "devices: {requests: [{name: r, exactly: {deviceClassName: a, allocationMode: ExactCount, count: 1, selectors: [{cel: {expression: 'true'}}]}}], config: [{requests: [r], opaque: {driver: a.b, parameters: {a: b}}}]}"
	claim := func(at string) []refusal {
		return []refusal{
			bad("no name", at+"devices.requests[0].name", set(at+"devices.requests.0.name", "")).as("-"),
			bad("no class", at+"devices.requests[0].exactly.deviceClassName", set(at+"devices.requests.0.exactly.deviceClassName", "")),
			bad("neither", at+"devices.requests[0]", set(at+"devices.requests.0.exactly", nil)),
			bad("mode", at+"devices.requests[0].exactly.allocationMode", set(at+"devices.requests.0.exactly.allocationMode", "Magic")),
			bad("count of all", at+"devices.requests[0].exactly.count", set(at+"devices.requests.0.exactly.allocationMode", "All")),
			bad("no count", at+"devices.requests[0].exactly.count", set(at+"devices.requests.0.exactly.count", -1)),
			bad("request twice", at+"devices.requests[1]", set(at+"devices.requests.1", js("{name: r, exactly: {deviceClassName: a, allocationMode: All}}"))),
			bad("configuration of nothing", at+"devices.config[0].requests[0]", set(at+"devices.config.0.requests", js("[x]"))),
			bad("configuration of no driver", at+"devices.config[0].opaque.driver", set(at+"devices.config.0.opaque.driver", "")),
			bad("configuration that is no object", at+"devices.config[0].opaque.parameters", set(at+"devices.config.0.opaque.parameters", nil)),
			bad("toleration", at+"devices.requests[0].exactly.tolerations[0].operator", set(at+"devices.requests.0.exactly.tolerations", js("[{key: a, operator: Like}]"))),
		}
	}
	kindCase{
		good:       "{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: claim, namespace: default}, spec: {" + devices + "}}",
		bad:        claim("spec."),
		badUpdates: []refusal{bad("another class", "spec", set("spec.devices.requests.0.exactly.deviceClassName", "b"))},
		statuses: []change{
			ok("allocated", set("status", js("{allocation: {devices: {results: [{request: r, driver: a.b, pool: p, device: d}]}}, reservedFor: [{resource: pods, name: a, uid: u}], devices: [{driver: a.b, pool: p, device: d, data: {a: b}}]}"))),
		},
		badStatuses: []refusal{
			bad("reserved, but not allocated", "status.reservedFor", set("status", js("{reservedFor: [{resource: pods, name: a, uid: u}]}"))),
			bad("a device of another", "status.devices[0]", set("status", js("{devices: [{driver: a.b, pool: p, device: d}]}"))),
			bad("allocated to nothing", "status.allocation.devices.results[0].request", set("status", js("{allocation: {devices: {results: [{request: x, driver: a.b, pool: p, device: d}]}}}"))),
			bad("allocated from no driver", "status.allocation.devices.results[0].driver", set("status", js("{allocation: {devices: {results: [{request: r, driver: '', pool: p, device: d}]}}}"))),
		},
	}.run(t)
	kindCase{
		good:       "{apiVersion: resource.k8s.io/v1, kind: ResourceClaimTemplate, metadata: {name: template, namespace: default}, spec: {metadata: {labels: {a: b}}, spec: {" + devices + "}}}",
		bad:        append(claim("spec.spec."), bad("named", "spec.metadata.name", set("spec.metadata.name", "a"))),
		badUpdates: []refusal{bad("another class", "spec", set("spec.spec.devices.requests.0.exactly.deviceClassName", "b"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: resource.k8s.io/v1, kind: DeviceClass, metadata: {name: class}, spec: {selectors: [{cel: {expression: 'true'}}], extendedResourceName: example.com/gpu}}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("resource", "spec.extendedResourceName", set("spec.extendedResourceName", "cpu")),
			bad("selector of nothing", "spec.selectors[0].cel", set("spec.selectors", js("[{}]"))),
		},
	}.run(t)
}

func TestResourceSlicesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: slice}
spec:
  driver: a.b
  nodeName: node
  pool: {name: node, generation: 1, resourceSliceCount: 1}
  devices: [{name: d0, attributes: {model: {string: a}, version: {version: 1.2.3-rc.1}}, capacity: {memory: {value: 1Gi}}}]
`,
		bad: []refusal{
			bad("driver", "spec.driver", set("spec.driver", "a b")),
			bad("nowhere", "spec", set("spec.nodeName", nil)),
			bad("here and everywhere", "spec", set("spec.allNodes", true)),
			bad("node", "spec.nodeName", set("spec.nodeName", "a/b")),
			bad("pool", "spec.pool.name", set("spec.pool.name", "A")),
			bad("slices", "spec.pool.resourceSliceCount", set("spec.pool.resourceSliceCount", 0)),
			bad("device", "spec.devices[0].name", set("spec.devices.0.name", "A_")),
			bad("device twice", "spec.devices[1].name", set("spec.devices.1", js("{name: d0}"))).as("spec.devices[1]"),
			bad("attribute", "spec.devices[0].attributes[a-b]", set("spec.devices.0.attributes", js("{a-b: {string: a}}"))).as("spec.devices[0].attributes"),
			bad("attribute of nothing", "spec.devices[0].attributes[a]", set("spec.devices.0.attributes", js("{a: {}}"))),
			bad("attribute of two", "spec.devices[0].attributes[a]", set("spec.devices.0.attributes", js("{a: {string: b, int: 1}}"))),
			bad("version", "spec.devices[0].attributes[a].version", set("spec.devices.0.attributes", js("{a: {version: '1'}}"))),
			bad("taint", "spec.devices[0].taints[0].effect", set("spec.devices.0.taints", js("[{key: a, effect: Never}]"))),
			bad("taint without key", "spec.devices[0].taints[0].key", set("spec.devices.0.taints", js("[{effect: NoSchedule}]"))),
		},
		badUpdates: []refusal{
			bad("another node", "spec.nodeName", set("spec.nodeName", "b")),
			bad("another driver", "spec.driver", set("spec.driver", "b.c")),
		},
	}.run(t)
}
