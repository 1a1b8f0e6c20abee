// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"encoding/base64"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func sliceWithPort(port int) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To(""), Port: ptr.To(int32(port)), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}
}

func TestConfigMapsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: default}
data: {a.yaml: text}
binaryData: {b: AAAA}
`,
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("key that leads out of a volume", "data[..]", set("data", js("{'..': a}"))),
			bad("key with a slash", "data[a/b]", set("data", js("{a/b: c}"))),
			bad("key twice", "data[a]", set("data", js("{a: b}")), set("binaryData", js("{a: AAAA}"))),
			bad("binary key", "binaryData[a b]", set("binaryData", js("{'a b': AAAA}"))),
			bad("size", "[]", set("data.big", strings.Repeat("a", 1<<20))),
			bad("finalizer", "metadata.finalizers", set("metadata.finalizers", js("['a b']"))),
			bad("owner", "metadata.ownerReferences.uid", set("metadata.ownerReferences", js("[{apiVersion: v1, kind: Pod, name: a, uid: ''}]"))),
		},
		updates:    []change{ok("another value", set("data.a~yaml", "other")), ok("immutable", set("immutable", true))},
		badUpdates: []refusal{bad("a key that is none", "data[/]", set("data", js("{'/': c}")))},
	}.run(t)
	kindCase{
		good:    "{apiVersion: v1, kind: ConfigMap, metadata: {name: immutable, namespace: default}, data: {a: b}, immutable: true}",
		updates: []change{ok("a label", set("metadata.labels", js("{a: b}")))},
		badUpdates: []refusal{
			bad("data", "data", set("data.a", "c")),
			bad("binary data", "binaryData", set("binaryData", js("{b: AAAA}"))),
			bad("mutable", "immutable", set("immutable", false)),
			bad("nothing said", "immutable", set("immutable", nil)),
		},
	}.run(t)
}

func TestSecretsLikeKubeAPIServer(t *testing.T) {
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	kindCase{
		good: "{apiVersion: v1, kind: Secret, metadata: {name: secret, namespace: default}, data: {a: AAAA}}",
		variants: []change{
			ok("a type of one's own", set("type", "example.com/type")),
			ok("docker", set("type", "kubernetes.io/dockerconfigjson"), set("data", map[string]string{".dockerconfigjson": b64("{}")})),
			ok("basic", set("type", "kubernetes.io/basic-auth"), set("data", map[string]string{"username": b64("a")})),
			ok("tls", set("type", "kubernetes.io/tls"), set("data", map[string]string{"tls.crt": "", "tls.key": ""})),
		},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "../../a")),
			bad("key", "data[..]", set("data", js("{'..': AAAA}"))),
			bad("size", "data", set("data.big", b64(strings.Repeat("a", 1<<20)))),
			bad("docker without key", "data[.dockercfg]", set("type", "kubernetes.io/dockercfg")),
			bad("docker that is not JSON", "data[.dockerconfigjson]", set("type", "kubernetes.io/dockerconfigjson"), set("data", map[string]string{".dockerconfigjson": b64("a")})),
			bad("basic without anything", "data[username]", set("type", "kubernetes.io/basic-auth")).as("data[password]"),
			bad("ssh", "data[ssh-privatekey]", set("type", "kubernetes.io/ssh-auth")),
			bad("tls", "data[tls.key]", set("type", "kubernetes.io/tls")),
			bad("token of nobody", "metadata.annotations[kubernetes.io/service-account.name]", set("type", "kubernetes.io/service-account-token")),
		},
		updates:    []change{ok("another value", set("data.a", "BBBB"))},
		badUpdates: []refusal{bad("another type", "type", set("type", "example.com/type"))},
	}.run(t)
	kindCase{
		good: "{apiVersion: v1, kind: Secret, metadata: {name: immutable, namespace: default}, data: {a: AAAA}, immutable: true}",
		badUpdates: []refusal{
			bad("data", "data", set("data.a", "BBBB")),
			bad("mutable", "immutable", set("immutable", false)),
		},
	}.run(t)
}

func TestRefusalsHaveNothingOfSecrets(t *testing.T) {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte("password"), "/": []byte("password")},
	}
	if errs := Create(s); len(errs) != 2 || strings.Contains(errs.ToAggregate().Error(), "password") {
		t.Errorf("It says %v", errs.ToAggregate())
	}
}

func TestServiceAccountsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: v1, kind: ServiceAccount, metadata: {name: account, namespace: default}}",
		bad:  []refusal{bad("name", "metadata.name", set("metadata.name", "a:b"))},
	}.run(t)
}

func TestNodesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: Node
metadata: {name: node}
spec: {podCIDR: 10.200.0.0/24, podCIDRs: [10.200.0.0/24], providerID: a, taints: [{key: a, value: b, effect: NoSchedule}, {key: a, effect: NoExecute}]}
`,
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a_b")),
			bad("range that is none", "spec.podCIDRs[0]", set("spec.podCIDR", "a"), set("spec.podCIDRs", js("[a]"))),
			bad("two ranges of one family", "spec.podCIDRs", set("spec.podCIDRs", js("[10.200.0.0/24, 10.201.0.0/24]"))),
			bad("taint of no effect", "spec.taints[0].effect", set("spec.taints.0.effect", "")).as("metadata.taints[0].effect"),
			bad("taint of an effect that is none", "spec.taints[0].effect", set("spec.taints.0.effect", "Never")).as("metadata.taints[0].effect"),
			bad("taint twice", "spec.taints[1]", set("spec.taints.1", js("{key: a, effect: NoSchedule}"))).as("metadata.taints[1]"),
			bad("key", "spec.taints[0].key", set("spec.taints.0.key", "a b")).as("metadata.taints[0].key"),
			bad("value", "spec.taints[0].value", set("spec.taints.0.value", "a b")).as("metadata.taints[0].value"),
		},
		updates: []change{ok("unschedulable", set("spec.unschedulable", true)), ok("no taints", set("spec.taints", nil))},
		badUpdates: []refusal{
			bad("another range", "spec.podCIDRs", set("spec.podCIDR", "10.201.0.0/24"), set("spec.podCIDRs", js("[10.201.0.0/24]"))),
			bad("another machine", "spec.providerID", set("spec.providerID", "b")),
			bad("a taint", "spec.taints[0].key", set("spec.taints.0.key", "/")).as("metadata.taints[0].key"),
		},
		statuses: []change{
			ok("what a kubelet says", set("status", js("{capacity: {cpu: '4', memory: 1Gi, pods: '110'}, conditions: [{type: Ready, status: 'True'}], addresses: [{type: InternalIP, address: 10.0.0.1}], declaredFeatures: [A, B/c]}"))),
		},
		badStatuses: []refusal{
			bad("negative capacity", "status.capacity.cpu", set("status.capacity", js("{cpu: '-1'}"))),
			bad("half a device", "status.allocatable.example.com/gpu", set("status.allocatable", js("{example.com/gpu: 500m}"))),
			bad("an address twice", "status.addresses[1]", set("status.addresses", js("[{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: 10.0.0.1}]"))),
			bad("features out of order", "status.declaredFeatures[1]", set("status.declaredFeatures", js("[B, A]"))),
		},
	}.run(t)
}

func TestNamespacesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: v1, kind: Namespace, metadata: {name: space}}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a.b")),
			bad("finalizer", "spec.finalizers[1]", set("spec.finalizers.1", "a")).as("spec.finalizers"),
		},
		updates:     []change{ok("a label", set("metadata.labels", js("{a: b}")))},
		badStatuses: []refusal{bad("terminating", "status.phase", set("status.phase", "Terminating")).as("status.Phase")},
	}.run(t)
}

func TestLimitRangesLikeKubeAPIServer(t *testing.T) {
	item := func(text string) edit { return set("spec.limits.0", js(text)) }
	kindCase{
		good: `
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: default}
spec: {limits: [{type: Container, min: {cpu: 100m}, defaultRequest: {cpu: 200m}, default: {cpu: 300m}, max: {cpu: 400m}, maxLimitRequestRatio: {cpu: 3}}]}
`,
		variants: []change{ok("claims", item("{type: PersistentVolumeClaim, max: {storage: 1Gi}}")), ok("pods", item("{type: Pod, max: {cpu: 1}}"))},
		bad: []refusal{
			bad("type", "spec.limits[0].type", item("{type: Thing}")),
			bad("type twice", "spec.limits[1].type", set("spec.limits.1", js("{type: Container}"))),
			bad("resource", "spec.limits[0].max[love]", item("{type: Container, max: {love: 1}}")),
			bad("min above max", "spec.limits[0].min[cpu]", item("{type: Container, min: {cpu: 2}, max: {cpu: 1}}")),
			bad("default above max", "spec.limits[0].default[cpu]", item("{type: Container, default: {cpu: 2}, max: {cpu: 1}}")),
			bad("request below min", "spec.limits[0].defaultRequest[cpu]", item("{type: Container, defaultRequest: {cpu: 1}, min: {cpu: 2}, max: {cpu: 3}}")),
			bad("request above default", "spec.limits[0].defaultRequest[cpu]", item("{type: Container, defaultRequest: {cpu: 2}, default: {cpu: 1}}")),
			bad("ratio below 1", "spec.limits[0].maxLimitRequestRatio[cpu]", item("{type: Container, maxLimitRequestRatio: {cpu: 900m}}")),
			bad("ratio that cannot be", "spec.limits[0].maxLimitRequestRatio[cpu]", item("{type: Container, min: {cpu: 1}, max: {cpu: 2}, maxLimitRequestRatio: {cpu: 5}}")),
			bad("default of a pod", "spec.limits[0].default", item("{type: Pod, default: {cpu: 2}}")),
			bad("claims without size", "spec.limits[0].limits", item("{type: PersistentVolumeClaim}")),
		},
	}.run(t)
}

func TestResourceQuotasLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: default}
spec: {hard: {pods: "10", requests.cpu: "4", count/deployments.apps: "3"}, scopes: [NotTerminating]}
`,
		variants: []change{
			ok("selector", set("spec.scopeSelector", js("{matchExpressions: [{scopeName: PriorityClass, operator: In, values: [a]}]}"))),
			ok("storage of a class", set("spec", js("{hard: {a.storageclass.storage.k8s.io/requests.storage: 1Gi, requests.nvidia.com/gpu: 1}}"))),
		},
		bad: []refusal{
			bad("resource", "spec.hard[love]", set("spec.hard", js("{love: 1}"))),
			bad("negative", "spec.hard[pods]", set("spec.hard", js("{pods: -1}"))),
			bad("half a pod", "spec.hard[pods]", set("spec.hard", js("{pods: 500m}"))),
			bad("scope", "spec.scopes[0]", set("spec.scopes", js("[Never]"))).as("spec.scopes"),
			bad("scopes that exclude each other", "spec.scopes", set("spec.scopes", js("[Terminating, NotTerminating]"))),
			bad("scope that has no such thing", "spec.scopes", set("spec", js("{hard: {services: 1}, scopes: [BestEffort]}"))),
			bad("selector without values", "spec.scopeSelector.matchExpressions[0].values", set("spec.scopeSelector", js("{matchExpressions: [{scopeName: PriorityClass, operator: In}]}"))).as("spec.scopeSelector.matchExpressions.values"),
			bad("selector by an operator that does not suit", "spec.scopeSelector.matchExpressions[0].operator", set("spec.scopeSelector", js("{matchExpressions: [{scopeName: BestEffort, operator: In, values: [a]}]}"))).as("spec.scopeSelector.matchExpressions.operator"),
		},
		updates:     []change{ok("another limit", set("spec.hard.pods", "20"))},
		badUpdates:  []refusal{bad("another scope", "spec.scopes", set("spec.scopes", js("[Terminating]")))},
		badStatuses: []refusal{bad("negative use", "status.used[pods]", set("status.used", js("{pods: -1}")))},
	}.run(t)
}

func TestEventsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: v1
kind: Event
metadata: {name: event, namespace: default}
involvedObject: {kind: Pod, namespace: default, name: a}
eventTime: "2026-01-02T03:04:05.000000Z"
reportingComponent: example.com/a
reportingInstance: a-1
action: Doing
reason: Reason
type: Normal
`,
		variants: []change{
			ok("an old one", set("eventTime", nil), set("reportingComponent", ""), set("action", nil), set("reportingInstance", "")),
			ok("about a node", set("involvedObject", js("{kind: Node, name: a}"))),
		},
		bad: []refusal{
			bad("another namespace", "involvedObject.namespace", set("eventTime", nil), set("involvedObject.namespace", "other")),
			bad("from nobody", "reportingComponent", set("reportingComponent", "")),
			bad("from nowhere", "reportingInstance", set("reportingInstance", "")),
			bad("no action", "action", set("action", nil)),
			bad("no reason", "reason", set("reason", nil)),
			bad("long note", "message", set("message", strings.Repeat("a", 1025))),
			bad("long action", "action", set("action", strings.Repeat("a", 129))),
		},
	}.run(t)
}

func TestLeasesLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: lease, namespace: default}, spec: {holderIdentity: a, leaseDurationSeconds: 40}}",
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "a/b")),
			bad("duration", "spec.leaseDurationSeconds", set("spec.leaseDurationSeconds", 0)),
			bad("transitions", "spec.leaseTransitions", set("spec.leaseTransitions", -1)),
		},
		updates: []change{ok("renewed", set("spec.renewTime", "2026-01-02T03:04:05.000000Z"))},
	}.run(t)
}
