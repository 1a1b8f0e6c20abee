// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import "testing"

// Each of these is what a client may do to one server or the other.
var transcripts = map[string][]step{
	"namespaces": {
		create("a name that is generated is in the label", "/api/v1/namespaces", `{metadata: {generateName: gen-}}`),
		create("the finalizer is added to those given", "/api/v1/namespaces", `{metadata: {name: ns-a, labels: {a: b}}, spec: {finalizers: [example.com/mine]}, status: {phase: Terminating}}`),
		merge("finalizers of the spec stay", "/api/v1/namespaces/ns-a", `{metadata: {labels: {kubernetes.io/metadata.name: other}}, spec: {finalizers: []}}`),
		apply("the status is not for appliers", "/api/v1/namespaces/ns-a?fieldManager=m&force=true", `{apiVersion: v1, kind: Namespace, metadata: {name: ns-a, annotations: {x: z}}, status: {phase: Active}}`),
		refused(step{why: "no collections", method: "DELETE", path: "/api/v1/namespaces"}),
		remove("a wrong uid", "/api/v1/namespaces/ns-a", `{preconditions: {uid: 00000000-0000-0000-0000-000000000000}}`),
		remove("only tried", "/api/v1/namespaces/ns-a?dryRun=All", ``),
		remove("the first", "/api/v1/namespaces/ns-a", ``),
		remove("nothing more to do yet", "/api/v1/namespaces/ns-a", ``),
		put("half done", "/api/v1/namespaces/ns-a/finalize", `{metadata: {name: ns-a}, spec: {finalizers: [kubernetes]}}`),
		put("done", "/api/v1/namespaces/ns-a/finalize", `{metadata: {name: ns-a}, spec: {finalizers: []}}`),
		get("gone", "/api/v1/namespaces/ns-a"),
		create("with a finalizer of its own", "/api/v1/namespaces", `{metadata: {name: ns-b, finalizers: [example.com/mine]}}`),
		remove("first", "/api/v1/namespaces/ns-b", `{propagationPolicy: Foreground}`),
		put("the spec is done", "/api/v1/namespaces/ns-b/finalize", `{metadata: {name: ns-b, finalizers: [example.com/mine]}, spec: {finalizers: []}}`),
		merge("the metadata too", "/api/v1/namespaces/ns-b", `{metadata: {finalizers: null}}`),
		get("gone", "/api/v1/namespaces/ns-b"),
	},
	"nodes": {
		create("the creator sets the status", "/api/v1/nodes", `{metadata: {name: node-a}, spec: {podCIDR: 10.1.0.0/24, taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule}]}, status: {capacity: {cpu: "2", memory: 1Gi, pods: "10"}}}`),
		merge("an update does not", "/api/v1/nodes/node-a", `{metadata: {labels: {a: b}}, status: {capacity: {cpu: "4"}}}`),
		strategic("the status does, and labels as well", "/api/v1/nodes/node-a/status", `{metadata: {labels: {c: d}}, spec: {unschedulable: true}, status: {conditions: [{type: Ready, status: "True", reason: R, message: m}]}}`),
		apply("an applier", "/api/v1/nodes/node-a/status?fieldManager=m", `{apiVersion: v1, kind: Node, metadata: {name: node-a}, spec: {unschedulable: true}, status: {conditions: [{type: Other, status: "True"}]}}`),
		remove("at once", "/api/v1/nodes/node-a", ``),
	},
	"deployments": {
		create("counted from one", "/apis/apps/v1/namespaces/default/deployments", deployment),
		merge("annotations count", "/apis/apps/v1/namespaces/default/deployments/d", `{metadata: {annotations: {a: b}}, status: {replicas: 9}}`),
		merge("labels do not", "/apis/apps/v1/namespaces/default/deployments/d", `{metadata: {labels: {a: b}}}`),
		merge("the spec does", "/apis/apps/v1/namespaces/default/deployments/d", `{spec: {replicas: 3}}`),
		merge("the status keeps labels", "/apis/apps/v1/namespaces/default/deployments/d/status", `{metadata: {labels: {a: c}, annotations: {s: t}}, spec: {replicas: 7}, status: {replicas: 3, observedGeneration: 3, updatedReplicas: 3}}`),
		get("a scale", "/apis/apps/v1/namespaces/default/deployments/d/scale"),
		put("scaled", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{metadata: {name: d, namespace: default}, spec: {replicas: 5}}`),
		merge("scaled again", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{spec: {replicas: 6}}`),
		refused(merge("fewer than none", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{spec: {replicas: -1}}`)),
		put("another's uid", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{metadata: {name: d, namespace: default, uid: 00000000-0000-0000-0000-000000000000}, spec: {replicas: 5}}`),
		put("an old version", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{metadata: {name: d, namespace: default, resourceVersion: "1"}, spec: {replicas: 5}}`),
		apply("an applier that scales", "/apis/apps/v1/namespaces/default/deployments/d/scale?fieldManager=scaler&force=true", `{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: d, namespace: default}, spec: {replicas: 4}}`),
		apply("conflicts with one that applies", "/apis/apps/v1/namespaces/default/deployments/d?fieldManager=applier", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 2}}`),
		get("who owns what", "/apis/apps/v1/namespaces/default/deployments/d"),
		get("no such scale", "/apis/apps/v1/namespaces/default/deployments/none/scale"),
		merge("nor can one be made", "/apis/apps/v1/namespaces/default/deployments/none/scale", `{spec: {replicas: 1}}`),
		remove("dependents are kept", "/apis/apps/v1/namespaces/default/deployments/d", `{propagationPolicy: Orphan}`),
		get("until somebody has seen to that", "/apis/apps/v1/namespaces/default/deployments/d"),
		merge("somebody has", "/apis/apps/v1/namespaces/default/deployments/d", `{metadata: {finalizers: null}}`),
		get("gone", "/apis/apps/v1/namespaces/default/deployments/d"),
	},
	"other workloads": {
		owned(create("a template's count", "/apis/apps/v1/namespaces/default/daemonsets", daemonSet)),
		owned(merge("nobody sets it", "/apis/apps/v1/namespaces/default/daemonsets/s", `{metadata: {annotations: {deprecated.daemonset.template.generation: "7"}}}`)),
		owned(merge("it counts templates", "/apis/apps/v1/namespaces/default/daemonsets/s", `{spec: {template: {metadata: {annotations: {a: b}}}}}`)),
		owned(merge("and nothing else", "/apis/apps/v1/namespaces/default/daemonsets/s", `{spec: {minReadySeconds: 5}}`)),
		owned(merge("nor the status", "/apis/apps/v1/namespaces/default/daemonsets/s/status", `{metadata: {annotations: null}, status: {currentNumberScheduled: 1}}`)),
		create("a job knows its pods", "/apis/batch/v1/namespaces/default/jobs", job),
		merge("suspended", "/apis/batch/v1/namespaces/default/jobs/j", `{spec: {suspend: true}}`),
		remove("its pods stay, if nobody says else", "/apis/batch/v1/namespaces/default/jobs/j", ``),
		get("for somebody to see to", "/apis/batch/v1/namespaces/default/jobs/j"),
		create("a job with a selector", "/apis/batch/v1/namespaces/default/jobs", selectingJob),
		remove("in the background", "/apis/batch/v1/namespaces/default/jobs/k", `{propagationPolicy: Background}`),
		create("a stateful set", "/apis/apps/v1/namespaces/default/statefulsets", statefulSet),
		merge("its scale", "/apis/apps/v1/namespaces/default/statefulsets/s/scale", `{spec: {replicas: 2}}`),
		create("a replica set", "/apis/apps/v1/namespaces/default/replicasets", replicaSet),
		get("its scale", "/apis/apps/v1/namespaces/default/replicasets/s/scale"),
		create("a replication controller", "/api/v1/namespaces/default/replicationcontrollers", replicationController),
		merge("its scale", "/api/v1/namespaces/default/replicationcontrollers/s/scale", `{spec: {replicas: 2}}`),
		remove("its pods stay", "/api/v1/namespaces/default/replicationcontrollers/s", ``),
		create("a cron job", "/apis/batch/v1/namespaces/default/cronjobs", cronJob),
		merge("counted", "/apis/batch/v1/namespaces/default/cronjobs/c", `{spec: {schedule: "* * * * *"}}`),
		remove("and gone", "/apis/batch/v1/namespaces/default/cronjobs/c", ``),
	},
	"configuration": {
		create("a limit range", "/api/v1/namespaces/default/limitranges", `{metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: "2"}}]}}`),
		put("put where there is none", "/api/v1/namespaces/default/limitranges/m", `{metadata: {name: m}, spec: {limits: [{type: Container, min: {cpu: 1m}}]}}`),
		create("secrets by name alone", "/api/v1/namespaces/default/serviceaccounts", `{metadata: {name: a}, secrets: [{name: s, kind: Secret, uid: x}], imagePullSecrets: [{name: p}]}`),
		remove("the account answers", "/api/v1/namespaces/default/serviceaccounts/a", ``),
		create("text is data", "/api/v1/namespaces/default/secrets", `{metadata: {name: s}, stringData: {a: b}}`),
		refused(merge("a type is for ever", "/api/v1/namespaces/default/secrets/s", `{type: example.com/other}`)),
		create("a priority class", "/apis/scheduling.k8s.io/v1/priorityclasses", `{metadata: {name: pc}, value: 5}`),
		merge("is not counted", "/apis/scheduling.k8s.io/v1/priorityclasses/pc", `{description: d}`),
		create("a driver", "/apis/storage.k8s.io/v1/csidrivers", `{metadata: {name: csi.example.com}}`),
		merge("is counted", "/apis/storage.k8s.io/v1/csidrivers/csi.example.com", `{spec: {requiresRepublish: true}}`),
		remove("and shown", "/apis/storage.k8s.io/v1/csidrivers/csi.example.com", ``),
		create("a lease", "/apis/coordination.k8s.io/v1/namespaces/default/leases", `{metadata: {name: l}, spec: {holderIdentity: h, strategy: OldestEmulationVersion}}`),
		refused(put("an update names its version", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", `{metadata: {name: l}, spec: {holderIdentity: i}}`)),
		put("a put makes one", "/apis/coordination.k8s.io/v1/namespaces/default/leases/m", `{metadata: {name: m}, spec: {holderIdentity: h}}`),
		create("a budget", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", `{metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}}`),
		merge("is counted", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b", `{spec: {minAvailable: 2}}`),
		create("a slice", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", `{metadata: {name: e, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, endpoints: [{addresses: [10.2.0.1], deprecatedTopology: {a: b}}], ports: [{port: 80}]}`),
		merge("labels count", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e", `{metadata: {labels: {a: b}}}`),
		merge("annotations do not", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e", `{metadata: {annotations: {a: b}}}`),
		merge("endpoints do", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e", `{endpoints: [{addresses: [10.2.0.2]}]}`),
		create("an ingress", "/apis/networking.k8s.io/v1/namespaces/default/ingresses", `{metadata: {name: i}, spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}}`),
		merge("with a status", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/i/status", `{spec: {ingressClassName: c}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`),
		create("a policy", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", `{metadata: {name: p}, spec: {podSelector: {}}}`),
		create("an autoscaler", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", `{metadata: {name: h}, spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}}, status: {desiredReplicas: 7}}`),
		create("a quota", "/api/v1/namespaces/default/resourcequotas", `{metadata: {name: q}, spec: {hard: {configmaps: "1000"}}, status: {hard: {pods: "5"}}}`),
		remove("is shown", "/api/v1/namespaces/default/resourcequotas/q", ``),
		create("an event", "/api/v1/namespaces/default/events", `{metadata: {name: e}, involvedObject: {namespace: default, kind: Pod, name: p}, reason: r, type: Normal}`),
		remove("has no dependents", "/api/v1/namespaces/default/events/e", `{propagationPolicy: Foreground}`),
		create("a range of addresses", "/apis/networking.k8s.io/v1/servicecidrs", `{metadata: {name: c, finalizers: [example.com/x]}, spec: {cidrs: [10.99.0.0/24]}, status: {conditions: [{type: Ready, status: "True", reason: R, message: m, lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`),
		merge("whose status is the status", "/apis/networking.k8s.io/v1/servicecidrs/c/status", `{metadata: {labels: {a: b}, finalizers: null}, status: {conditions: [{type: Ready, status: "True", reason: R, message: m, lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`),
		create("a policy of admission", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", `{metadata: {name: v}, spec: {matchConstraints: {resourceRules: [{apiGroups: [x.example.com], apiVersions: [v1], operations: [CREATE], resources: [x]}]}, validations: [{expression: "true"}]}, status: {observedGeneration: 5}}`),
		merge("whose status is the status", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/v/status", `{metadata: {labels: {a: b}}, status: {observedGeneration: 1}}`),
	},
	"services": {
		create("given an address", services, `{metadata: {name: a}, spec: {selector: {a: b}, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`),
		merge("and a port", services+"/a", `{spec: {type: NodePort}}`),
		merge("which goes with the type", services+"/a", `{spec: {type: ClusterIP}}`),
		merge("balanced", services+"/a", `{spec: {type: LoadBalancer, externalTrafficPolicy: Local}}`),
		merge("with a status", services+"/a/status", `{metadata: {labels: {a: b}}, spec: {type: ClusterIP}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}]}}}`),
		merge("until it is no more", services+"/a", `{spec: {type: ClusterIP}}`),
		merge("elsewhere", services+"/a", `{spec: {type: ExternalName, externalName: example.com}}`),
		put("put as it was", services+"/a", `{metadata: {name: a}, spec: {selector: {a: b}, ports: [{port: 80}]}}`),
		create("without an address", services, `{metadata: {name: b}, spec: {clusterIP: None, ports: [{port: 80}]}}`),
		put("put where there is none", services+"/c", `{metadata: {name: c}, spec: {ports: [{port: 80}]}}`),
		create("its endpoints", "/api/v1/namespaces/default/endpoints", `{metadata: {name: a, labels: {endpoints.kubernetes.io/managed-by: endpoints-controller}}, subsets: [{addresses: [{ip: 10.2.0.1}], ports: [{port: 80}]}]}`),
		remove("only tried", services+"/a?dryRun=All", ``),
		get("still there", "/api/v1/namespaces/default/endpoints/a"),
		remove("gone", services+"/a", ``),
		get("and they with it", "/api/v1/namespaces/default/endpoints/a"),
		malformed(create("refused", services, `{metadata: {name: d}, spec: {ports: [{port: 0}]}}`)),
		step{why: "all of them", method: "DELETE", path: services + "?labelSelector=none"},
	},
	"volumes": {
		create("a volume is pending since now", "/api/v1/persistentvolumes", `{metadata: {name: v, finalizers: [kubernetes.io/pv-protection]}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/v}}, status: {phase: Bound}}`),
		merge("a phase has a time", "/api/v1/persistentvolumes/v/status", `{status: {phase: Available}}`),
		merge("that stays with it", "/api/v1/persistentvolumes/v/status", `{status: {phase: Available, lastPhaseTransitionTime: null}}`),
		merge("or is told", "/api/v1/persistentvolumes/v/status", `{status: {phase: Released, lastPhaseTransitionTime: "2026-01-01T00:00:00Z"}}`),
		create("a claim of a source", "/api/v1/namespaces/default/persistentvolumeclaims", claim("c1", `dataSource: {kind: PersistentVolumeClaim, name: other}`)),
		create("a claim of a newer source", "/api/v1/namespaces/default/persistentvolumeclaims", claim("c2", `dataSourceRef: {apiGroup: example.com, kind: Populator, name: other}`)),
		create("what the old field never took", "/api/v1/namespaces/default/persistentvolumeclaims", claim("c3", `dataSource: {apiGroup: example.com, kind: Populator, name: other}`)),
		create("another namespace's source", "/api/v1/namespaces/default/persistentvolumeclaims", claim("c4", `dataSourceRef: {apiGroup: example.com, kind: Populator, name: other, namespace: kube-system}`)),
		merge("labelled", "/api/v1/namespaces/default/persistentvolumeclaims/c1", `{metadata: {labels: {a: b}}}`),
		merge("a status", "/api/v1/namespaces/default/persistentvolumeclaims/c1/status", `{status: {phase: Bound, capacity: {storage: 2Gi}}}`),
		create("an attachment", "/apis/storage.k8s.io/v1/volumeattachments", `{metadata: {name: va, finalizers: [example.com/x]}, spec: {attacher: a, nodeName: nd, source: {persistentVolumeName: v}}, status: {attached: true}}`),
		merge("whose status is the status", "/apis/storage.k8s.io/v1/volumeattachments/va/status", `{metadata: {labels: {a: b}, finalizers: null}, status: {attached: true}}`),
	},
	"devices": {
		create("a claim", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims", `{metadata: {name: c}, spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu.example.com}}]}}}`),
		merge("allocated", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/c/status", `{metadata: {labels: {a: b}}, status: {allocation: {devices: {results: [{request: r, driver: gpu.example.com, pool: p, device: d}]}}}}`),
		merge("with a status", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/c/status", `{status: {devices: [{driver: gpu.example.com, pool: p, device: d}]}}`),
		merge("freed", "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/c/status", `{status: {allocation: null}}`),
		create("a class", "/apis/resource.k8s.io/v1/deviceclasses", `{metadata: {name: gpu.example.com}, spec: {selectors: [{cel: {expression: "true"}}]}}`),
		create("a slice", "/apis/resource.k8s.io/v1/resourceslices", `{metadata: {name: s}, spec: {driver: gpu.example.com, nodeName: nd, pool: {name: p, generation: 1, resourceSliceCount: 1}, devices: [{name: d}]}}`),
		merge("counted", "/apis/resource.k8s.io/v1/resourceslices/s", `{spec: {pool: {name: p, generation: 2, resourceSliceCount: 1}}}`),
		remove("shown", "/apis/resource.k8s.io/v1/resourceslices/s", ``),
	},
}

const (
	services = "/api/v1/namespaces/default/services"

	template    = `template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: example.com/i}]}}`
	jobTemplate = `template: {spec: {restartPolicy: Never, containers: [{name: c, image: example.com/i}]}}`
	selector    = `selector: {matchLabels: {a: b}}`

	deployment            = `{metadata: {name: d}, spec: {` + selector + `, ` + template + `}, status: {replicas: 5}}`
	daemonSet             = `{metadata: {name: s}, spec: {` + selector + `, ` + template + `}}`
	statefulSet           = `{metadata: {name: s}, spec: {serviceName: s, ` + selector + `, ` + template + `}}`
	replicaSet            = `{metadata: {name: s}, spec: {replicas: 0, ` + selector + `, ` + template + `}}`
	replicationController = `{metadata: {name: s}, spec: {` + template + `}}`
	job                   = `{metadata: {name: j}, spec: {` + jobTemplate + `}}`
	selectingJob          = `{metadata: {name: k}, spec: {manualSelector: true, selector: {matchLabels: {x: z}}, template: {metadata: {labels: {x: z}}, spec: {restartPolicy: Never, containers: [{name: c, image: example.com/i}]}}}}`
	cronJob               = `{metadata: {name: c}, spec: {schedule: "0 * * * *", jobTemplate: {spec: {` + jobTemplate + `}}}}`
)

func claim(name, source string) string {
	return `{metadata: {name: ` + name + `, finalizers: [kubernetes.io/pvc-protection]}, spec: {storageClassName: s, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, ` + source + `}}`
}

func TestObjectsBehaveAsInKubeAPIServer(t *testing.T) {
	theirs, ours := servers(t)
	// Ours has no controller that makes the namespace.
	ours.say(t, create("", "/api/v1/namespaces", `{metadata: {name: default}}`))
	for name, steps := range transcripts {
		t.Run(name, func(t *testing.T) { compare(t, theirs, ours, steps) })
	}
}
