// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"fmt"
	"testing"
)

const pods = "/api/v1/namespaces/site/pods"

// pod is a pod in YAML with more in its metadata and spec.
func pod(name, meta, spec string) string {
	return fmt.Sprintf(`{metadata: {name: %s, %s}, spec: {containers: [{name: c, image: example.com/i}], %s}}`, name, meta, spec)
}

// bound is a pod of a node.
func bound(name, spec string) string { return pod(name, "", "nodeName: nd, "+spec) }

var podTranscripts = map[string][]step{
	"made complete": {
		create("token, priority, tolerations", pods, pod("p1", "labels: {a: b}", "")),
		create("none of that", pods, pod("p2", "", `automountServiceAccountToken: false, tolerations: [{operator: Exists}], priorityClassName: system-node-critical`)),
		create("an account without a token", pods, pod("p3", "", `serviceAccountName: tokenless`)),
		create("the pod decides", pods, pod("p4", "", `serviceAccountName: tokenless, automountServiceAccountToken: true`)),
		create("a volume for it already, and a mount", pods, `{metadata: {name: p5}, spec: {initContainers: [{name: i, image: i}], containers: [{name: c, image: i, volumeMounts: [{name: mine, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]}], volumes: [{name: mine, emptyDir: {}}, {name: kube-api-access-abcde, emptyDir: {}}]}}`),
		create("no such account", pods, pod("p6", "", `serviceAccountName: nobody`)),
		create("no such class", pods, pod("p7", "", `priorityClassName: nothing`)),
		create("another number than the class's", pods, pod("p8", "", `priorityClassName: important, priority: 7`)),
		create("the class's number", pods, pod("p9", "", `priorityClassName: important, priority: 1000`)),
		create("another policy than the class's", pods, pod("p10", "", `priorityClassName: important, preemptionPolicy: Never`)),
		create("a mirror pod", pods, pod("p11", "annotations: {kubernetes.io/config.mirror: x}", "nodeName: nd")),
		create("a mirror pod with a secret", pods, pod("p12", "annotations: {kubernetes.io/config.mirror: x}", "nodeName: nd, volumes: [{name: v, secret: {secretName: s}}]")),
		create("a mirror pod with an account", pods, pod("p13", "annotations: {kubernetes.io/config.mirror: x}", "nodeName: nd, serviceAccountName: default")),
		create("a secret that the account does not name", pods, pod("p14", "", `serviceAccountName: limited, volumes: [{name: v, secret: {secretName: other}}]`)),
		create("in the environment", pods, `{metadata: {name: p15}, spec: {serviceAccountName: limited, containers: [{name: c, image: i, env: [{name: E, valueFrom: {secretKeyRef: {name: other, key: k}}}]}]}}`),
		create("all of it", pods, `{metadata: {name: p15}, spec: {serviceAccountName: limited, containers: [{name: c, image: i, envFrom: [{secretRef: {name: other}}]}]}}`),
		create("one that it does name", pods, pod("p16", "", `serviceAccountName: limited, volumes: [{name: v, secret: {secretName: s}}]`)),
		create("and one for images", pods, pod("p17", "", `serviceAccountName: limited, imagePullSecrets: [{name: other}]`)),
		create("a runtime with overhead", pods, pod("p18", "", `runtimeClassName: heavy, tolerations: [{key: k, operator: Exists}]`)),
		create("another overhead", pods, pod("p19", "", `runtimeClassName: heavy, overhead: {cpu: 1}`)),
		create("no such runtime", pods, pod("p20", "", `runtimeClassName: none`)),
		create("overhead without runtime", pods, pod("p21", "", `overhead: {cpu: 1}`)),
		create("a selector in the way", pods, pod("p22", "", `runtimeClassName: heavy, nodeSelector: {arch: other}`)),
		create("where its node is", pods, pod("p23", "", `nodeName: topology`)),
		create("gated", pods, pod("p24", "", `schedulingGates: [{name: example.com/g}]`)),
		create("keys of labels", pods, pod("p25", "labels: {a: b, c: d}", `topologySpreadConstraints: [{maxSkew: 1, topologyKey: t, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [c]}], affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: t, labelSelector: {matchLabels: {x: z}}, matchLabelKeys: [a], mismatchLabelKeys: [c]}]}}`)),
		create("an old annotation", pods, pod("p26", "annotations: {container.apparmor.security.beta.kubernetes.io/c: runtime/default}", "")),
		create("guaranteed", pods, `{metadata: {name: p27}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi}}}]}}`),
		create("burstable", pods, `{metadata: {name: p28}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]}}`),
		create("as a whole", pods, `{metadata: {name: p29}, spec: {resources: {limits: {cpu: 1, memory: 1Gi}}, containers: [{name: c, image: i}]}}`),
	},
	"written": {
		create("by somebody", pods, bound("w", "")),
		merge("labels", pods+"/w", `{metadata: {labels: {a: b}}, status: {phase: Running}}`),
		strategic("an image counts", pods+"/w", `{spec: {containers: [{name: c, image: example.com/j}]}}`),
		strategic("a status", pods+"/w/status", `{metadata: {labels: {s: t}, ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: z}]}, spec: {nodeName: other}, status: {phase: Running, observedGeneration: 2, qosClass: "", conditions: [{type: Ready, status: "True", observedGeneration: 2}], podIP: 10.9.0.1}}`),
		merge("of an older kubelet", pods+"/w/status", `{status: {observedGeneration: null, conditions: [{type: Ready, status: "False"}]}}`),
		refused(strategic("of a dead pod", pods+"/w/status", `{metadata: {uid: 00000000-0000-0000-0000-000000000000}, status: {phase: Failed}}`)),
		put("of a dead pod, put", pods+"/w/status", `{metadata: {name: w, uid: 00000000-0000-0000-0000-000000000000}, spec: {containers: [{name: c, image: i}]}, status: {phase: Failed}}`),
		apply("applied", pods+"/w/status?fieldManager=k", `{apiVersion: v1, kind: Pod, metadata: {name: w, annotations: {x: z}, ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: z}]}, spec: {hostNetwork: true}, status: {message: m}}`),
		strategic("debugged", pods+"/w/ephemeralcontainers", `{metadata: {labels: {e: f}}, spec: {ephemeralContainers: [{name: d, image: i}]}}`),
		apply("debugged by an applier", pods+"/w/ephemeralcontainers?fieldManager=k", `{apiVersion: v1, kind: Pod, metadata: {name: w, labels: {e: f}}, spec: {ephemeralContainers: [{name: g, image: i}]}}`),
		refused(merge("not for good", pods+"/w/ephemeralcontainers", `{spec: {ephemeralContainers: []}}`)),
		create("with resources, but without its node", pods, `{metadata: {name: q}, spec: {nodeName: nd, containers: [{name: c, image: i, resources: {requests: {cpu: 100m}}}]}}`),
		strategic("not resized", pods+"/q/resize", `{spec: {containers: [{name: c, resources: {requests: {cpu: 200m}}}]}}`),
		create("with resources", pods, `{metadata: {name: r}, spec: {nodeName: topology, containers: [{name: c, image: i, resources: {requests: {cpu: 100m}}}]}}`),
		strategic("resized", pods+"/r/resize", `{metadata: {labels: {e: f}}, spec: {hostNetwork: true, containers: [{name: c, image: other, resources: {requests: {cpu: 200m}}}]}}`),
		refused(merge("with another container", pods+"/r/resize", `{spec: {containers: [{name: d, image: i, resources: {requests: {cpu: 200m}}}]}}`)),
		strategic("beyond its node", pods+"/r/resize", `{spec: {containers: [{name: c, resources: {requests: {cpu: 9, memory: 1Mi}}}]}}`),
		get("owned by whom", pods+"/r"),
	},
	"deleted": {
		create("by its kubelet", pods, bound("d1", "terminationGracePeriodSeconds: 20")),
		remove("in its time", pods+"/d1", ``),
		remove("in less", pods+"/d1", `{gracePeriodSeconds: 5}`),
		remove("not in more", pods+"/d1", `{gracePeriodSeconds: 50}`),
		strategic("a status keeps it so", pods+"/d1/status", `{metadata: {deletionTimestamp: null, deletionGracePeriodSeconds: null}, status: {phase: Running}}`),
		remove("and gone", pods+"/d1", `{gracePeriodSeconds: 0, preconditions: {uid: "{uid}"}}`),
		get("gone", pods+"/d1"),
		create("without a node", pods, pod("d2", "", "")),
		remove("at once", pods+"/d2", ``),
		create("with a finalizer", pods, pod("d3", "finalizers: [example.com/f]", "nodeName: nd")),
		remove("forced", pods+"/d3", `{gracePeriodSeconds: 0}`),
		merge("when it is done", pods+"/d3", `{metadata: {finalizers: null}}`),
		get("gone", pods+"/d3"),
		create("many", pods, pod("d4", "labels: {many: really}", "")),
		step{why: "at once", method: "DELETE", path: pods + "?labelSelector=many%3Dreally"},
		get("gone", pods+"/d4"),
	},
	"bound": {
		create("a pod", pods, pod("b1", "labels: {a: b}", "")),
		malformed(create("to another kind", pods+"/b1/binding", `{metadata: {name: b2}, target: {kind: Node, name: nd}}`)),
		create("another pod of the name", pods+"/b1/binding", `{metadata: {name: b1, uid: 00000000-0000-0000-0000-000000000000}, target: {kind: Node, name: nd}}`),
		create("only tried", pods+"/b1/binding?dryRun=All", `{metadata: {name: b1}, target: {kind: Node, name: nd}}`),
		create("to a node", pods+"/b1/binding", `{metadata: {name: b1, annotations: {x: z}, labels: {l: m}}, target: {kind: Node, name: topology}}`),
		get("bound", pods+"/b1"),
		create("again", pods+"/b1/binding", `{metadata: {name: b1}, target: {kind: Node, name: other}}`),
		create("no pod", pods+"/none/binding", `{metadata: {name: none}, target: {kind: Node, name: nd}}`),
		create("gated", pods, pod("b2", "", `schedulingGates: [{name: example.com/g}]`)),
		create("not yet", pods+"/b2/binding", `{metadata: {name: b2}, target: {kind: Node, name: nd}}`),
		create("the older way", pods, pod("b3", "", "")),
		create("bound", "/api/v1/namespaces/site/bindings", `{metadata: {name: b3}, target: {kind: Node, name: nd}}`),
		get("bound", pods+"/b3"),
	},
	"evicted": {
		create("pending", pods, pod("e1", "labels: {app: e}", "")),
		create("at once", pods+"/e1/eviction", eviction("e1", "")),
		get("gone", pods+"/e1"),
		create("running", pods, pod("e2", "labels: {app: e}", "nodeName: nd")),
		strategic("ready", pods+"/e2/status", `{status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`),
		malformed(create("under another name", pods+"/e2/eviction", eviction("e1", ""))),
		create("of a dead pod", pods+"/e2/eviction", eviction("e2", `preconditions: {uid: 00000000-0000-0000-0000-000000000000}`)),
		create("only tried", pods+"/e2/eviction", eviction("e2", `dryRun: [All]`)),
		create("without a budget", pods+"/e2/eviction", eviction("e2", "gracePeriodSeconds: 5")),
		get("going", pods+"/e2"),
		create("no pod", pods+"/none/eviction", eviction("none", "")),

		create("a budget", budgetsPath, `{metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: g}}}}`),
		create("guarded", pods, pod("e3", "labels: {app: g}", "nodeName: nd")),
		strategic("ready", pods+"/e3/status", `{status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`),
		create("before the controller has looked", pods+"/e3/eviction", eviction("e3", "")),
		merge("the controller looked", budgetsPath+"/b/status", `{status: {observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1}}`),
		create("nothing to spend", pods+"/e3/eviction", eviction("e3", "")),
		merge("enough healthy", budgetsPath+"/b/status", `{status: {currentHealthy: 3, desiredHealthy: 1, conditions: [{type: DisruptionAllowed, status: "False", reason: InsufficientPods, message: because, lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`),
		create("it says why", pods+"/e3/eviction", eviction("e3", "")),
		merge("the controller failed", budgetsPath+"/b/status", `{status: {conditions: [{type: DisruptionAllowed, status: "False", reason: SyncFailed, message: because, lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`),
		create("it says so", pods+"/e3/eviction", eviction("e3", "")),
		merge("one to spend", budgetsPath+"/b/status", `{status: {disruptionsAllowed: 1, conditions: [{type: DisruptionAllowed, status: "True", reason: SufficientPods, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`),
		create("tried", pods+"/e3/eviction?dryRun=All", eviction("e3", "")),
		get("not spent", budgetsPath+"/b"),
		create("spent", pods+"/e3/eviction", eviction("e3", "")),
		owned(get("noted", budgetsPath+"/b")),
		get("going", pods+"/e3"),
		create("a second", pods, pod("e4", "labels: {app: g}", "nodeName: nd")),
		strategic("not ready", pods+"/e4/status", `{status: {phase: Running}}`),
		create("spares nobody", pods+"/e4/eviction?dryRun=All", eviction("e4", "")),
		owned(merge("nothing healthy", budgetsPath+"/b/status", `{status: {currentHealthy: 0, desiredHealthy: 1}}`)),
		create("has to wait", pods+"/e4/eviction", eviction("e4", "")),
		owned(merge("whatever the others do", budgetsPath+"/b", `{metadata: {resourceVersion: "{version}"}, spec: {unhealthyPodEvictionPolicy: AlwaysAllow}}`)),
		create("may go", pods+"/e4/eviction", eviction("e4", "")),
		create("a second budget", budgetsPath, `{metadata: {name: b2}, spec: {minAvailable: 1, selector: {matchLabels: {app: g}}}}`),
		create("a third pod", pods, pod("e5", "labels: {app: g}", "nodeName: nd")),
		strategic("ready", pods+"/e5/status", `{status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`),
		strategic("ended", pods+"/e5/status", `{status: {phase: Succeeded}}`),
		create("needs no budget", pods+"/e5/eviction", eviction("e5", "")),
	},
	"limited": {
		create("a namespace", "/api/v1/namespaces", `{metadata: {name: limited}}`),
		create("its account", "/api/v1/namespaces/limited/serviceaccounts", `{metadata: {name: default}, automountServiceAccountToken: false}`),
		create("its limits", "/api/v1/namespaces/limited/limitranges", `{metadata: {name: l}, spec: {limits: [{type: Container, default: {cpu: 500m, memory: 256Mi}, defaultRequest: {cpu: 100m}, min: {cpu: 50m}, max: {cpu: 1}, maxLimitRequestRatio: {cpu: 5}}, {type: Pod, max: {cpu: 1200m}}, {type: PersistentVolumeClaim, min: {storage: 1Gi}, max: {storage: 2Gi}}]}}`),
		create("defaults", "/api/v1/namespaces/limited/pods", pod("l1", "", "")),
		create("too little", "/api/v1/namespaces/limited/pods", `{metadata: {name: l2}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 10m}, limits: {cpu: 40m}}}]}}`),
		create("too much", "/api/v1/namespaces/limited/pods", `{metadata: {name: l3}, spec: {initContainers: [{name: i, image: i}], containers: [{name: c, image: i, resources: {limits: {cpu: 2}}}]}}`),
		create("together too much", "/api/v1/namespaces/limited/pods", `{metadata: {name: l4}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 700m}}}, {name: d, image: i, resources: {limits: {cpu: 700m}}}]}}`),
		create("too wide", "/api/v1/namespaces/limited/pods", `{metadata: {name: l5}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: 50m}, limits: {cpu: 500m}}}]}}`),
		merge("resized beyond", "/api/v1/namespaces/limited/pods/l1/resize", `{spec: {containers: [{name: c, image: example.com/i, resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {cpu: 2, memory: 256Mi}}}]}}`),
		create("a small claim", "/api/v1/namespaces/limited/persistentvolumeclaims", `{metadata: {name: l1, finalizers: [kubernetes.io/pvc-protection]}, spec: {storageClassName: s, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}`),
		create("a large claim", "/api/v1/namespaces/limited/persistentvolumeclaims", `{metadata: {name: l1, finalizers: [kubernetes.io/pvc-protection]}, spec: {storageClassName: s, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Ti}}}}`),
	},
	"secured": {
		create("a namespace", "/api/v1/namespaces", `{metadata: {name: secured, labels: {pod-security.kubernetes.io/enforce: restricted}}}`),
		create("its account", "/api/v1/namespaces/secured/serviceaccounts", `{metadata: {name: default}, automountServiceAccountToken: false}`),
		create("refused", "/api/v1/namespaces/secured/pods", pod("s1", "", "hostNetwork: true")),
		create("permitted", "/api/v1/namespaces/secured/pods", `{metadata: {name: s2}, spec: {securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`),
		malformed(create("a wrong level", "/api/v1/namespaces", `{metadata: {name: secured2, labels: {pod-security.kubernetes.io/enforce: most}}}`)),
		create("what makes pods is warned of", "/apis/apps/v1/namespaces/secured/deployments", deployment),
	},
	"classes": {
		create("a claim without a class", "/api/v1/namespaces/site/persistentvolumeclaims", `{metadata: {name: k1, finalizers: [kubernetes.io/pvc-protection]}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`),
		create("a default", "/apis/storage.k8s.io/v1/storageclasses", `{metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}, provisioner: example.com/p, allowVolumeExpansion: true}`),
		settling(create("is known", "/api/v1/namespaces/site/persistentvolumeclaims", `{metadata: {name: k, finalizers: [kubernetes.io/pvc-protection]}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`)),
		refused(merge("not bound", "/api/v1/namespaces/site/persistentvolumeclaims/k1", `{spec: {resources: {requests: {storage: 2Gi}}}}`)),
		create("a claim of another class", "/api/v1/namespaces/site/persistentvolumeclaims", `{metadata: {name: k2, finalizers: [kubernetes.io/pvc-protection]}, spec: {storageClassName: slow, volumeName: v, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`),
		merge("bound", "/api/v1/namespaces/site/persistentvolumeclaims/k2/status", `{status: {phase: Bound}}`),
		merge("which does not grow", "/api/v1/namespaces/site/persistentvolumeclaims/k2", `{spec: {resources: {requests: {storage: 2Gi}}}}`),
		create("a class for ingresses", "/apis/networking.k8s.io/v1/ingressclasses", `{metadata: {name: front, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}, spec: {controller: example.com/c}}`),
		settling(create("is known", "/apis/networking.k8s.io/v1/namespaces/site/ingresses", `{metadata: {name: k}, spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}}`)),
		create("an ingress without a class", "/apis/networking.k8s.io/v1/namespaces/site/ingresses", `{metadata: {name: i}, spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}}`),
		create("with an older one", "/apis/networking.k8s.io/v1/namespaces/site/ingresses", `{metadata: {name: j, annotations: {kubernetes.io/ingress.class: c}}, spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}}`),
		create("a claim without a class", "/api/v1/namespaces/site/persistentvolumeclaims", `{metadata: {name: k3, finalizers: [kubernetes.io/pvc-protection]}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`),
		remove("no default", "/apis/networking.k8s.io/v1/ingressclasses/front", ``),
		remove("no default", "/apis/storage.k8s.io/v1/storageclasses/fast", ``),
		create("a second default", "/apis/scheduling.k8s.io/v1/priorityclasses", `{metadata: {name: gd}, value: 1, globalDefault: true}`),
		remove("gone again", "/apis/scheduling.k8s.io/v1/priorityclasses/gd", ``),
	},
}

const budgetsPath = "/apis/policy/v1/namespaces/site/poddisruptionbudgets"

func eviction(name, options string) string {
	return fmt.Sprintf(`{metadata: {name: %s}, deleteOptions: {%s}}`, name, options)
}

// around is what the pods are made beside.
var around = []step{
	create("", "/api/v1/namespaces", `{metadata: {name: site}}`),
	create("", "/api/v1/namespaces/site/serviceaccounts", `{metadata: {name: default}, imagePullSecrets: [{name: pull}]}`),
	create("", "/api/v1/namespaces/site/serviceaccounts", `{metadata: {name: tokenless}, automountServiceAccountToken: false}`),
	create("", "/api/v1/namespaces/site/serviceaccounts", `{metadata: {name: limited, annotations: {kubernetes.io/enforce-mountable-secrets: "true"}}, secrets: [{name: s}], automountServiceAccountToken: false}`),
	create("", "/apis/scheduling.k8s.io/v1/priorityclasses", `{metadata: {name: important}, value: 1000}`),
	create("", "/apis/node.k8s.io/v1/runtimeclasses", `{metadata: {name: heavy}, handler: h, overhead: {podFixed: {cpu: 250m}}, scheduling: {nodeSelector: {arch: odd}, tolerations: [{key: k, operator: Exists, effect: NoSchedule}]}}`),
	create("", "/api/v1/nodes", `{metadata: {name: topology, labels: {topology.kubernetes.io/zone: z, topology.kubernetes.io/region: r}}, status: {allocatable: {cpu: 1}}}`),
}

func TestPodsBehaveAsInKubeAPIServer(t *testing.T) {
	theirs, ours := servers(t)
	for _, s := range around {
		theirs.say(t, s)
		ours.say(t, s)
	}
	compare(t, theirs, ours, []step{
		settling(create("a class is known", pods, pod("known", "", `priorityClassName: important`))),
		settling(create("a node is known", pods, pod("known", "", `nodeName: topology`))),
	})
	for name, steps := range podTranscripts {
		t.Run(name, func(t *testing.T) { compare(t, theirs, ours, steps) })
	}
}
