// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"
)

const podTemplateYAML = `{metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: a}]}}`

// badTemplates are refusals that all workloads have in common.
func badTemplates(at string) []refusal {
	path := at + "."
	return []refusal{
		bad("no image", path+"spec.containers[0].image", set(path+"spec.containers.0.image", nil)),
		bad("host path with dots", path+"spec.volumes[0].hostPath.path", set(path+"spec.volumes", js("[{name: a, hostPath: {path: /a/../b}}]"))),
		bad("a label of the template", path+"metadata.labels", set(path+"metadata.labels.b", "c d")).as(path + "labels"),
		bad("ephemeral containers", path+"spec.ephemeralContainers", set(path+"spec.ephemeralContainers", js("[{name: e, image: a, imagePullPolicy: Always, terminationMessagePolicy: File}]"))),
	}
}

func TestDeploymentsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: deployment, namespace: default}, spec: {selector: {matchLabels: {app: a}}, template: " + podTemplateYAML + "}}",
		variants: []change{
			ok("recreate", set("spec.strategy", js("{type: Recreate}"))),
			ok("numbers", set("spec.strategy.rollingUpdate", js("{maxSurge: 2, maxUnavailable: 0}"))),
			ok("host port without container port", set("spec.template.spec.containers.0.ports", js("[{containerPort: 80}]")), set("spec.template.spec.hostNetwork", true)),
		},
		bad: append(badTemplates("spec.template"),
			bad("name", "metadata.name", set("metadata.name", "A")),
			bad("negative replicas", "spec.replicas", set("spec.replicas", -1)),
			bad("no selector", "spec.selector", set("spec.selector", nil)),
			bad("selector of everything", "spec.selector", set("spec.selector", js("{}"))),
			bad("selector of others", "spec.template.metadata.labels", set("spec.selector.matchLabels.app", "other")),
			bad("selector that is none", "spec.selector.matchExpressions[0].operator", set("spec.selector.matchExpressions", js("[{key: a, operator: Like}]"))),
			bad("strategy", "spec.strategy.type", set("spec.strategy", js("{type: Magic}"))).as("spec.strategy"),
			bad("recreate and roll", "spec.strategy.rollingUpdate", set("spec.strategy.type", "Recreate")),
			bad("nothing moves", "spec.strategy.rollingUpdate.maxUnavailable", set("spec.strategy.rollingUpdate", js("{maxSurge: 0, maxUnavailable: 0%}"))),
			bad("share", "spec.strategy.rollingUpdate.maxSurge", set("spec.strategy.rollingUpdate.maxSurge", "a lot")),
			bad("more than all", "spec.strategy.rollingUpdate.maxUnavailable", set("spec.strategy.rollingUpdate.maxUnavailable", "101%")),
			bad("deadline before ready", "spec.progressDeadlineSeconds", set("spec.minReadySeconds", 600)),
			bad("restart policy", "spec.template.spec.restartPolicy", set("spec.template.spec.restartPolicy", "Never")),
			bad("pods that end", "spec.template.spec.activeDeadlineSeconds", set("spec.template.spec.activeDeadlineSeconds", 1)),
		),
		updates:     []change{ok("scaled", set("spec.replicas", 5)), ok("another image", set("spec.template.spec.containers.0.image", "b"))},
		badUpdates:  []refusal{bad("another selector", "spec.selector", set("spec.selector.matchLabels", js("{app: a, b: c}")), set("spec.template.metadata.labels", js("{app: a, b: c}")))},
		statuses:    []change{ok("ready", set("status", js("{replicas: 1, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1, observedGeneration: 1}")))},
		badStatuses: []refusal{bad("more ready than there are", "status.readyReplicas", set("status", js("{replicas: 1, readyReplicas: 2}")))},
	}.run(t)
}

func TestReplicaSetsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: set, namespace: default}, spec: {selector: {matchLabels: {app: a}}, template: " + podTemplateYAML + "}}",
		bad: append(badTemplates("spec.template"),
			bad("negative replicas", "spec.replicas", set("spec.replicas", -1)),
			bad("selector of others", "spec.template.metadata.labels", set("spec.selector.matchLabels.app", "other")),
		),
		badUpdates: []refusal{bad("another selector", "spec.selector", set("spec.selector.matchLabels", js("{app: a, b: c}")), set("spec.template.metadata.labels", js("{app: a, b: c}")))},
	}.run(t)
	kindCase{
		good: "{apiVersion: v1, kind: ReplicationController, metadata: {name: controller, namespace: default}, spec: {selector: {app: a}, template: " + podTemplateYAML + "}}",
		bad: append(badTemplates("spec.template"),
			bad("negative replicas", "spec.replicas", set("spec.replicas", -1)),
			bad("selector of others", "spec.template.metadata.labels", set("spec.selector.app", "other")),
		),
		updates: []change{ok("scaled", set("spec.replicas", 5))},
	}.run(t)
	kindCase{
		good: "{apiVersion: v1, kind: PodTemplate, metadata: {name: template, namespace: default}, template: " + podTemplateYAML + "}",
		bad:  badTemplates("template"),
	}.run(t)
}

func TestDaemonSetsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: daemon, namespace: default}, spec: {selector: {matchLabels: {app: a}}, template: " + podTemplateYAML + "}}",
		bad: append(badTemplates("spec.template"),
			bad("selector of everything", "spec.selector", set("spec.selector", js("{}"))),
			bad("strategy", "spec.updateStrategy.type", set("spec.updateStrategy", js("{type: Magic}"))).as("spec.updateStrategy"),
			bad("both", "spec.updateStrategy.rollingUpdate.maxSurge", set("spec.updateStrategy.rollingUpdate", js("{maxSurge: 1, maxUnavailable: 1}"))),
			bad("neither", "spec.updateStrategy.rollingUpdate.maxUnavailable", set("spec.updateStrategy.rollingUpdate", js("{maxSurge: 0, maxUnavailable: 0}"))),
			bad("restart policy", "spec.template.spec.restartPolicy", set("spec.template.spec.restartPolicy", "Never")),
		),
		updates:     []change{ok("another image", set("spec.template.spec.containers.0.image", "b"))},
		badUpdates:  []refusal{bad("another selector", "spec.selector", set("spec.selector.matchLabels", js("{app: a, b: c}")), set("spec.template.metadata.labels", js("{app: a, b: c}")))},
		badStatuses: []refusal{bad("negative", "status.numberReady", set("status", js("{currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: -1}")))},
	}.run(t)
}

func TestStatefulSetsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: stateful, namespace: default}
spec:
  serviceName: a
  selector: {matchLabels: {app: a}}
  template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: a, volumeMounts: [{name: data, mountPath: /data}]}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
`,
		variants: []change{ok("a volume that the claim stands for", set("spec.template.spec.volumes", js("[{name: data, emptyDir: {}}]")))},
		bad: []refusal{
			bad("service", "spec.serviceName", set("spec.serviceName", "A.b")),
			bad("policy", "spec.podManagementPolicy", set("spec.podManagementPolicy", "Magic")),
			bad("strategy", "spec.updateStrategy.type", set("spec.updateStrategy", js("{type: Magic}"))).as("spec.updateStrategy"),
			bad("roll on delete", "spec.updateStrategy.rollingUpdate", set("spec.updateStrategy.type", "OnDelete")),
			bad("partition", "spec.updateStrategy.rollingUpdate.partition", set("spec.updateStrategy.rollingUpdate.partition", -1)),
			bad("mount of nothing", "spec.template.spec.containers[0].volumeMounts[0].name", set("spec.volumeClaimTemplates", nil)),
			bad("claim without size", "spec.volumeClaimTemplates[0].spec.resources[storage]", set("spec.volumeClaimTemplates.0.spec.resources", nil)),
			bad("ordinals", "spec.ordinals.start", set("spec.ordinals", js("{start: -1}"))).as("-"),
			bad("retention", "spec.persistentVolumeClaimRetentionPolicy.whenScaled", set("spec.persistentVolumeClaimRetentionPolicy", js("{whenDeleted: Retain, whenScaled: Forget}"))),
		},
		updates: []change{ok("scaled", set("spec.replicas", 5)), ok("another image", set("spec.template.spec.containers.0.image", "b"))},
		badUpdates: []refusal{
			bad("another service", "spec", set("spec.serviceName", "b")),
			bad("another size", "spec", set("spec.volumeClaimTemplates.0.spec.resources.requests.storage", "2Gi")),
			bad("another policy", "spec", set("spec.podManagementPolicy", "Parallel")),
		},
		badStatuses: []refusal{bad("more current than there are", "status.currentReplicas", set("status", js("{replicas: 1, currentReplicas: 2}")))},
	}.run(t)
	kindCase{
		good: "{apiVersion: apps/v1, kind: ControllerRevision, metadata: {name: revision, namespace: default}, revision: 1, data: {a: b}}",
		bad: []refusal{
			bad("negative", "revision", set("revision", -1)),
			bad("no data", "data", set("data", nil)),
		},
		badUpdates: []refusal{bad("other data", "data", set("data", js("{a: c}")))},
	}.run(t)
}

func TestJobsLikeKubeAPIServer(t *testing.T) {
	indexed := []edit{set("spec.completionMode", "Indexed"), set("spec.completions", 3)}
	with := func(edits ...edit) []edit { return append(append([]edit{}, indexed...), edits...) }
	template := func(path string, value any) edit { return set("spec.template.spec."+path, value) }
	kindCase{
		good: `
apiVersion: batch/v1
kind: Job
metadata: {name: job, namespace: default}
spec:
  manualSelector: true
  selector: {matchLabels: {app: a}}
  template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: main, image: a}]}}
`,
		variants: []change{
			ok("indexed", with(set("spec.successPolicy", js("{rules: [{succeededIndexes: '0-1', succeededCount: 1}]}")), set("spec.backoffLimitPerIndex", 1), set("spec.maxFailedIndexes", 2))...),
			ok("failure policy", set("spec.podFailurePolicy", js("{rules: [{action: FailJob, onExitCodes: {operator: In, values: [1, 2]}}, {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}]}")), set("spec.podReplacementPolicy", "Failed")),
		},
		bad: append(badTemplates("spec.template"),
			bad("negative parallelism", "spec.parallelism", set("spec.parallelism", -1)),
			bad("negative backoff", "spec.backoffLimit", set("spec.backoffLimit", -1)),
			bad("restarted always", "spec.template.spec.restartPolicy", template("restartPolicy", "Always")),
			bad("mode", "spec.completionMode", set("spec.completionMode", "Magic")),
			bad("indexed without number", "spec.completions", set("spec.completionMode", "Indexed"), set("spec.completions", nil)).as("-"),
			bad("success policy without indexes", "spec.successPolicy", set("spec.successPolicy", js("{rules: [{succeededCount: 1}]}"))),
			refusal{"indexes that are none", "spec.successPolicy.rules[0].succeededIndexes", "spec.successPolicy.rules[0].succeededIndexes", with(set("spec.successPolicy", js("{rules: [{succeededIndexes: '2-1'}]}")))},
			refusal{"too many successes", "spec.successPolicy.rules[0].succeededCount", "spec.successPolicy.rules[0].succeededCount", with(set("spec.successPolicy", js("{rules: [{succeededCount: 4}]}")))},
			bad("failures without backoff", "spec.backoffLimitPerIndex", set("spec.maxFailedIndexes", 1)),
			bad("failure rule of nothing", "spec.podFailurePolicy.rules[0]", set("spec.podFailurePolicy", js("{rules: [{action: FailJob}]}"))),
			bad("failure rule of success", "spec.podFailurePolicy.rules[0].onExitCodes.values[0]", set("spec.podFailurePolicy", js("{rules: [{action: FailJob, onExitCodes: {operator: In, values: [0]}}]}"))),
			bad("failure rule in disorder", "spec.podFailurePolicy.rules[0].onExitCodes.values", set("spec.podFailurePolicy", js("{rules: [{action: FailJob, onExitCodes: {operator: In, values: [2, 1]}}]}"))),
			bad("failure rule of another container", "spec.podFailurePolicy.rules[0].onExitCodes.containerName", set("spec.podFailurePolicy", js("{rules: [{action: FailJob, onExitCodes: {containerName: x, operator: In, values: [2]}}]}"))),
			bad("failure action", "spec.podFailurePolicy.rules[0].action", set("spec.podFailurePolicy", js("{rules: [{action: Explode, onExitCodes: {operator: In, values: [1]}}]}"))),
			bad("manager", "spec.managedBy", set("spec.managedBy", "me")),
			bad("selector of others", "spec.template.metadata.labels", set("spec.selector.matchLabels.app", "b")),
			bad("selector of one's own", "spec.template.metadata.labels[batch.kubernetes.io/job-name]", set("spec.manualSelector", nil)).as("-"),
			bad("replacement", "spec.podReplacementPolicy", set("spec.podReplacementPolicy", "Magic")),
		),
		updates: []change{ok("more at once", set("spec.parallelism", 3)), ok("suspended", set("spec.suspend", true))},
		badUpdates: []refusal{
			bad("another number", "spec.completions", set("spec.completions", 7)),
			bad("another image", "spec.template", template("containers.0.image", "b")),
			bad("another mode", "spec.completionMode", set("spec.completionMode", "Indexed")),
			bad("another selector", "spec.selector", set("spec.selector.matchLabels", js("{app: a, b: c}")), set("spec.template.metadata.labels", js("{app: a, b: c}"))),
		},
		badStatuses: []refusal{
			bad("negative", "status.failed", set("status", js("{failed: -1}"))),
			bad("more ready than active", "status.ready", set("status", js("{ready: 1}"))),
			bad("indexes without index", "status.completedIndexes", set("status", js("{completedIndexes: '1'}"))),
		},
	}.run(t)
	kindCase{
		good: `
apiVersion: batch/v1
kind: Job
metadata: {name: suspended, namespace: default}
spec:
  suspend: true
  manualSelector: true
  selector: {matchLabels: {app: a}}
  template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: main, image: a}]}}
`,
		updates: []change{
			ok("elsewhere", template("nodeSelector", js("{a: b}")), template("tolerations", js("[{operator: Exists}]"))),
		},
		badUpdates: []refusal{bad("another image", "spec.template", template("containers.0.image", "b")).as("-")},
	}.run(t)
}

func TestCronJobsLikeKubeAPIServer(t *testing.T) {
	var schedules []change
	for _, s := range []string{"*/5 0-23/2 1,15 jan-MAR mon", "0 0 ? * 0-6", "@daily", "@every 1h", "5/10 * * * *", "0 0 1-7 * SUN", "1,,2 * * * *"} {
		schedules = append(schedules, ok("schedule "+s, set("spec.schedule", s)))
	}
	var wrong []refusal
	for _, s := range []string{"* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "*/0 * * * *", "a * * * *", "5-1 * * * *", "1- * * * *",
		"@never", "@every day", "TZ=UTC * * * * *", "CRON_TZ=UTC 0 * * * *", "-1 * * * *", "*/ * * * *", "1-2-3 * * * *", "1/2/3 * * * *"} {
		wrong = append(wrong, bad("schedule "+s, "spec.schedule", set("spec.schedule", s)))
	}
	kindCase{
		good: `
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron, namespace: default}
spec: {schedule: "0 * * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: a}]}}}}}
`,
		variants: append(schedules, ok("time zone", set("spec.timeZone", "Europe/Berlin"))),
		bad: append(append(wrong, badTemplates("spec.jobTemplate.spec.template")...),
			bad("long name", "metadata.name", set("metadata.name", strings.Repeat("a", 53))),
			bad("no schedule", "spec.schedule", set("spec.schedule", "")),
			bad("time zone that leads elsewhere", "spec.timeZone", set("spec.timeZone", "../../etc/passwd")),
			bad("time zone of this machine", "spec.timeZone", set("spec.timeZone", "Local")),
			bad("time zone that is none", "spec.timeZone", set("spec.timeZone", "Mars/Olympus")),
			bad("concurrency", "spec.concurrencyPolicy", set("spec.concurrencyPolicy", "Maybe")),
			bad("history", "spec.failedJobsHistoryLimit", set("spec.failedJobsHistoryLimit", -1)),
			bad("selector", "spec.jobTemplate.spec.selector", set("spec.jobTemplate.spec.selector", js("{matchLabels: {a: b}}"))),
			bad("restarted always", "spec.jobTemplate.spec.template.spec.restartPolicy", set("spec.jobTemplate.spec.template.spec.restartPolicy", "Always")),
		),
		updates: []change{ok("suspended", set("spec.suspend", true))},
	}.run(t)
}

func TestAutoscalersLikeKubeAPIServer(t *testing.T) {
	metric := func(text string) edit { return set("spec.metrics.0", js(text)) }
	kindCase{
		good: `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaler, namespace: default}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
  behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}
`,
		variants: []change{
			ok("external", metric("{type: External, external: {metric: {name: a}, target: {type: Value, value: 5}}}")),
			ok("object", metric("{type: Object, object: {describedObject: {kind: Service, name: a, apiVersion: v1}, metric: {name: a}, target: {type: Value, value: 5}}}")),
		},
		bad: []refusal{
			bad("no pods", "spec.maxReplicas", set("spec.maxReplicas", 0)),
			bad("zero", "spec.minReplicas", set("spec.minReplicas", 0)),
			bad("min above max", "spec.maxReplicas", set("spec.minReplicas", 5)),
			bad("of nothing", "spec.scaleTargetRef.name", set("spec.scaleTargetRef.name", "")),
			bad("elsewhere", "spec.scaleTargetRef.name", set("spec.scaleTargetRef.name", "a/b")),
			bad("version", "spec.scaleTargetRef.apiVersion", set("spec.scaleTargetRef.apiVersion", "a/b/c")),
			bad("metric of no type", "spec.metrics[0].type", metric("{type: Magic}")),
			bad("metric without source", "spec.metrics[0].pods", metric("{type: Pods}")),
			bad("metric with another source", "spec.metrics[0].resource", set("spec.metrics.0.type", "Pods"), set("spec.metrics.0.pods", js("{metric: {name: a}, target: {type: AverageValue, averageValue: 1}}"))),
			bad("target of nothing", "spec.metrics[0].resource.target.averageUtilization", metric("{type: Resource, resource: {name: cpu, target: {type: Utilization}}}")),
			bad("target of no type", "spec.metrics[0].resource.target.type", metric("{type: Resource, resource: {name: cpu, target: {type: Magic, averageUtilization: 1}}}")),
			bad("metric of no name", "spec.metrics[0].external.metric.name", metric("{type: External, external: {metric: {name: ''}, target: {type: Value, value: 5}}}")),
			bad("negative value", "spec.metrics[0].external.target.value", metric("{type: External, external: {metric: {name: a}, target: {type: Value, value: -5}}}")),
			bad("window", "spec.behavior.scaleDown.stabilizationWindowSeconds", set("spec.behavior.scaleDown.stabilizationWindowSeconds", 3601)),
			bad("no policies", "spec.behavior.scaleDown.policies", set("spec.behavior.scaleDown.policies", js("[]"))).as("-"),
			bad("period", "spec.behavior.scaleDown.policies[0].periodSeconds", set("spec.behavior.scaleDown.policies.0.periodSeconds", 0)),
			bad("choice", "spec.behavior.scaleDown.selectPolicy", set("spec.behavior.scaleDown.selectPolicy", "Magic")),
		},
		badStatuses: []refusal{bad("negative", "status.desiredReplicas", set("status", js("{desiredReplicas: -1, currentReplicas: 0}")))},
	}.run(t)
}

func TestDisruptionBudgetsLikeKubeAPIServer(t *testing.T) {
	kindCase{
		good: "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: budget, namespace: default}, spec: {minAvailable: 50%, selector: {matchLabels: {a: b}}}}",
		bad: []refusal{
			bad("both", "spec", set("spec.maxUnavailable", 1)),
			bad("more than all", "spec.minAvailable", set("spec.minAvailable", "101%")),
			bad("negative", "spec.minAvailable", set("spec.minAvailable", -1)),
			bad("selector", "spec.selector.matchLabels", set("spec.selector.matchLabels.a", "b c")),
			bad("eviction", "spec.unhealthyPodEvictionPolicy", set("spec.unhealthyPodEvictionPolicy", "Magic")),
		},
		badStatuses: []refusal{bad("negative", "status.disruptionsAllowed", set("status", js("{disruptionsAllowed: -1, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0}")))},
	}.run(t)
}
