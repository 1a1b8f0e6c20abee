// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"strings"
	"testing"
)

const goodPod = `
apiVersion: v1
kind: Pod
metadata: {name: pod, namespace: default}
spec:
  serviceAccountName: default
  automountServiceAccountToken: false
  containers:
  - name: main
    image: example.com/image:1
    ports: [{name: http, containerPort: 80}]
    livenessProbe: {httpGet: {port: http}}
    resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}
    env: [{name: KEY, value: "1"}]
    volumeMounts: [{name: data, mountPath: /data}]
  initContainers:
  - {name: init, image: example.com/image:1}
  volumes:
  - {name: data, emptyDir: {}}
`

func TestPodsLikeKubeAPIServer(t *testing.T) {
	const (
		c0 = "spec.containers.0."
		c  = "spec.containers[0]."
		v  = "spec.volumes[1]"
	)
	volume := func(text string) edit { return set("spec.volumes.1", js("{name: other, "+text+"}")) }
	kindCase{
		good: goodPod,
		variants: []change{
			ok("sources of all common sorts", volume(`projected: {sources: [{serviceAccountToken: {path: token}}, {configMap: {name: a, items: [{key: a, path: b/c}]}}, {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}, {secret: {name: s}}]}`)),
			ok("host path", volume("hostPath: {path: /var/lib/x, type: DirectoryOrCreate}")),
			ok("an ephemeral claim", volume("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}")),
			ok("csi", volume("csi: {driver: CSI.example.com}")),
			ok("an image", volume("image: {reference: example.com/image:1, pullPolicy: IfNotPresent}")),
			ok("host network", set("spec.hostNetwork", true), set(c0+"ports.0.hostPort", 80)),
			ok("tolerations", set("spec.tolerations", js("[{operator: Exists}, {key: a, value: b, effect: NoExecute, tolerationSeconds: 5}]"))),
			ok("affinity", set("spec.affinity", js(`{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Gt, values: ["1"]}]}, {matchFields: [{key: metadata.name, operator: In, values: [node]}]}]}},
				podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 5, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {a: b}}}}]}}`))),
			ok("spread", set("spec.topologySpreadConstraints", js("[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, minDomains: 2, labelSelector: {matchLabels: {a: b}}}]"))),
			ok("environment", set(c0+"env", js("[{name: a.b-c, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: d, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['a']\"}}}, {name: e, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}, {name: f, valueFrom: {secretKeyRef: {name: s, key: k}}}]")),
				set(c0+"envFrom", js("[{prefix: A_, configMapRef: {name: c}}]"))),
			ok("a sidecar", set("spec.initContainers.0.restartPolicy", "Always"), set("spec.initContainers.0.startupProbe", js("{exec: {command: [a]}}"))),
			ok("security", set("spec.securityContext", js("{runAsUser: 1, fsGroup: 2, sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '0'}], seccompProfile: {type: Localhost, localhostProfile: a/b.json}}")),
				set(c0+"securityContext", js("{privileged: true, appArmorProfile: {type: RuntimeDefault}}"))),
			ok("dns", set("spec.dnsPolicy", "None"), set("spec.dnsConfig", js("{nameservers: [10.0.0.1], searches: [a.b_c., .], options: [{name: ndots, value: '5'}]}"))),
			ok("huge pages and devices", set(c0+"resources", js("{limits: {cpu: 1, hugepages-2Mi: 4Mi, example.com/gpu: 2}, requests: {cpu: 1, hugepages-2Mi: 4Mi, example.com/gpu: 2}}"))),
			ok("hooks", set(c0+"lifecycle", js("{preStop: {sleep: {seconds: 5}}, postStart: {exec: {command: [a]}}}"))),
			ok("resources of the pod", set("spec.resources", js("{limits: {cpu: 1}, requests: {cpu: 500m}}"))),
			ok("restart rules", set("spec.restartPolicy", "Never"), set(c0+"restartPolicy", "Never"), set(c0+"restartPolicyRules", js("[{action: Restart, exitCodes: {operator: In, values: [42]}}]"))),
			ok("aliases", set("spec.hostAliases", js("[{ip: 10.1.2.3, hostnames: [a.b]}]"))),
		},
		bad: []refusal{
			bad("name", "metadata.name", set("metadata.name", "Pod")),
			bad("no containers", "spec.containers", set("spec.containers", js("[]"))),
			bad("name of a container", c+"name", set(c0+"name", "A_")),
			bad("no name of a container", c+"name", set(c0+"name", nil)),
			bad("the same name twice", "spec.initContainers[0].name", set("spec.initContainers.0.name", "main")),
			bad("no image", c+"image", set(c0+"image", nil)),
			bad("space around an image", c+"image", set(c0+"image", " a")),
			bad("pull policy", c+"imagePullPolicy", set(c0+"imagePullPolicy", "Sometimes")),
			bad("message policy", c+"terminationMessagePolicy", set(c0+"terminationMessagePolicy", "x")),
			bad("restart policy", "spec.restartPolicy", set("spec.restartPolicy", "x")),
			bad("dns policy", "spec.dnsPolicy", set("spec.dnsPolicy", "x")),
			bad("dns without servers", "spec.dnsConfig", set("spec.dnsPolicy", "None")),
			bad("four name servers", "spec.dnsConfig.nameservers", set("spec.dnsConfig", js("{nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}"))),
			bad("a name server that is none", "spec.dnsConfig.nameservers[0]", set("spec.dnsConfig", js("{nameservers: [a]}"))),
			bad("a search domain that is none", "spec.dnsConfig.searches[0]", set("spec.dnsConfig", js("{searches: [a b]}"))),
			bad("a long search list", "spec.dnsConfig.searches", set("spec.dnsConfig.searches.0", strings.Repeat("a.", 1030)+"a")),
			bad("an option without a name", "spec.dnsConfig.options[0]", set("spec.dnsConfig", js("{options: [{value: a}]}"))),
			bad("port 0", c+"ports[0].containerPort", set(c0+"ports.0.containerPort", 0)),
			bad("port 70000", c+"ports[0].containerPort", set(c0+"ports.0.containerPort", 70000)),
			bad("host port 70000", c+"ports[0].hostPort", set(c0+"ports.0.hostPort", 70000)),
			bad("protocol", c+"ports[0].protocol", set(c0+"ports.0.protocol", "ICMP")),
			bad("name of a port", c+"ports[0].name", set(c0+"ports.0.name", "a_name_that_is_none")),
			bad("the same port name twice", c+"ports[1].name", set(c0+"ports.1", js("{name: http, containerPort: 81}"))),
			bad("the same host port twice", c+"ports[1].hostPort", set(c0+"ports", js("[{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}]"))),
			bad("another port with the host's network", c+"ports[0].hostPort", set("spec.hostNetwork", true), set(c0+"ports.0.hostPort", 8080)),
			bad("variable", c+"env[0].name", set(c0+"env.0.name", "a=b")),
			bad("no variable", c+"env[0].name", set(c0+"env.0.name", "")),
			bad("value twice", c+"env[0].valueFrom", set(c0+"env.0.valueFrom", js("{fieldRef: {fieldPath: metadata.name}}"))),
			bad("value from nowhere", c+"env[0].valueFrom", set(c0+"env.0", js("{name: a, valueFrom: {}}"))),
			bad("value from a field that is none", c+"env[0].valueFrom.fieldRef.fieldPath", set(c0+"env.0", js("{name: a, valueFrom: {fieldRef: {fieldPath: spec.secrets}}}"))),
			bad("value from a resource that is none", c+"env[0].valueFrom.resourceFieldRef.resource", set(c0+"env.0", js("{name: a, valueFrom: {resourceFieldRef: {resource: limits.love}}}"))),
			bad("divisor", c+"env[0].valueFrom.resourceFieldRef.divisor", set(c0+"env.0", js("{name: a, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}"))),
			bad("key of a secret", c+"env[0].valueFrom.secretKeyRef.key", set(c0+"env.0", js("{name: a, valueFrom: {secretKeyRef: {name: a, key: '..'}}}"))),
			bad("name of a config map", c+"env[0].valueFrom.configMapKeyRef.name", set(c0+"env.0", js("{name: a, valueFrom: {configMapKeyRef: {name: A_, key: b}}}"))),
			bad("variables from nowhere", c+"envFrom[0]", set(c0+"envFrom", js("[{}]"))).as("spec.containers[0].envFrom"),
			bad("variables from a secret without name", c+"envFrom[0].secretRef.name", set(c0+"envFrom", js("[{secretRef: {}}]"))),

			bad("mount of nothing", c+"volumeMounts[0].name", set(c0+"volumeMounts.0.name", "nothing")),
			bad("no mount path", c+"volumeMounts[0].mountPath", set(c0+"volumeMounts.0.mountPath", nil)),
			bad("mount path twice", c+"volumeMounts[1].mountPath", set(c0+"volumeMounts.1", js("{name: data, mountPath: /data}"))),
			bad("sub path out of the volume", c+"volumeMounts[0].subPath", set(c0+"volumeMounts.0.subPath", "a/../../b")).as("spec.containers[0].volumeMounts.subPath"),
			bad("absolute sub path", c+"volumeMounts[0].subPath", set(c0+"volumeMounts.0.subPath", "/etc")).as("spec.containers[0].volumeMounts.subPath"),
			bad("sub path expression out of the volume", c+"volumeMounts[0].subPathExpr", set(c0+"volumeMounts.0.subPathExpr", "../$(KEY)")).as("spec.containers[0].volumeMounts.subPathExpr"),
			bad("both sub paths", c+"volumeMounts[0].subPathExpr", set(c0+"volumeMounts.0.subPathExpr", "a"), set(c0+"volumeMounts.0.subPath", "a")),
			bad("propagation to the host", c+"volumeMounts[0].mountPropagation", set(c0+"volumeMounts.0.mountPropagation", "Bidirectional")).as("spec.containers[0].volumeMounts.mountPropagation"),
			bad("recursively read-only and writable", c+"volumeMounts[0].recursiveReadOnly", set(c0+"volumeMounts.0.recursiveReadOnly", "Enabled")).as("spec.containers[0].volumeMounts.recursiveReadOnly"),
			bad("device of a directory", c+"volumeDevices[0].name", set(c0+"volumeMounts", nil), set(c0+"volumeDevices", js("[{name: data, devicePath: /dev/x}]"))),
			bad("device path out of the container", c+"volumeDevices[0].devicePath", set(c0+"volumeDevices", js("[{name: data, devicePath: /dev/../x}]"))),

			bad("name of a volume", v+".name", set("spec.volumes.1", js("{name: A, emptyDir: {}}"))),
			bad("a volume twice", v+".name", set("spec.volumes.1", js("{name: data, emptyDir: {}}"))),
			bad("two sources", v+".emptyDir", volume("emptyDir: {}, hostPath: {path: /a}")).as(v + ".hostPath"),
			bad("size", v+".emptyDir.sizeLimit", volume("emptyDir: {sizeLimit: '-1'}")),
			bad("host path with dots", v+".hostPath.path", volume("hostPath: {path: /var/../etc}")),
			bad("host path without path", v+".hostPath.path", volume("hostPath: {path: ''}")),
			bad("host path of a sort that is none", v+".hostPath.type", volume("hostPath: {path: /a, type: Door}")),
			bad("secret without name", v+".secret.secretName", volume("secret: {}")),
			bad("file out of the volume", v+".secret.items[0].path", volume("secret: {secretName: a, items: [{key: a, path: ../../etc/shadow}]}")),
			bad("absolute file", v+".configMap.items[0].path", volume("configMap: {name: a, items: [{key: a, path: /etc/shadow}]}")),
			bad("file that begins with dots", v+".configMap.items[0].path", volume("configMap: {name: a, items: [{key: a, path: ..data}]}")),
			bad("mode", v+".configMap.defaultMode", volume("configMap: {name: a, defaultMode: 4096}")),
			bad("mode of a file", v+".secret.items[0].mode", volume("secret: {secretName: a, items: [{key: a, path: b, mode: -1}]}")),
			bad("claim without name", v+".persistentVolumeClaim.claimName", volume("persistentVolumeClaim: {claimName: ''}")),
			bad("claim of an ephemeral volume", "spec.volumes[2].persistentVolumeClaim.claimName",
				volume("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}"),
				set("spec.volumes.2", js("{name: x, persistentVolumeClaim: {claimName: pod-other}}"))),
			bad("template of a claim", v+".ephemeral.volumeClaimTemplate.spec.accessModes", volume("ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}")),
			bad("driver", v+".csi.driver", volume("csi: {driver: ../../x}")),
			bad("nfs", v+".nfs.path", volume("nfs: {server: a, path: b}")),
			bad("token for a minute", v+".projected.sources[0].serviceAccountToken.expirationSeconds", volume("projected: {sources: [{serviceAccountToken: {path: a, expirationSeconds: 60}}]}")),
			bad("token out of the volume", v+".projected.sources[0].serviceAccountToken.path", volume("projected: {sources: [{serviceAccountToken: {path: ../a}}]}")).as(v + ".projected.path"),
			bad("two files of one path", v+".projected", volume("projected: {sources: [{secret: {name: a, items: [{key: a, path: x}]}}, {configMap: {name: a, items: [{key: a, path: x}]}}]}")),
			bad("two sources in one", v+".projected.sources[0]", volume("projected: {sources: [{secret: {name: a}, configMap: {name: a}}]}")),
			bad("field of a file", v+".downwardAPI.items[0].fieldRef.fieldPath", volume("downwardAPI: {items: [{path: a, fieldRef: {fieldPath: spec.nodeName}}]}")).as(v + ".downwardAPI.fieldRef.fieldPath"),

			bad("probe without handler", c+"livenessProbe", set(c0+"livenessProbe", js("{periodSeconds: 1}"))),
			bad("probe with two handlers", c+"livenessProbe.httpGet", set(c0+"livenessProbe.exec", js("{command: [a]}"))),
			bad("probe of a port that is none", c+"livenessProbe.httpGet.port", set(c0+"livenessProbe.httpGet.port", 0)),
			bad("probe with a negative period", c+"livenessProbe.periodSeconds", set(c0+"livenessProbe.periodSeconds", -1)),
			bad("two successes", c+"livenessProbe.successThreshold", set(c0+"livenessProbe.successThreshold", 2)),
			bad("scheme", c+"livenessProbe.httpGet.scheme", set(c0+"livenessProbe.httpGet.scheme", "ftp")),
			bad("header", c+"livenessProbe.httpGet.httpHeaders[0].name", set(c0+"livenessProbe.httpGet.httpHeaders", js("[{name: 'a b', value: c}]"))).as("spec.containers[0].livenessProbe.httpGet.httpHeaders"),
			bad("no command", c+"readinessProbe.exec.command", set(c0+"readinessProbe", js("{exec: {}}"))),
			bad("grace of readiness", c+"readinessProbe.terminationGracePeriodSeconds", set(c0+"readinessProbe", js("{tcpSocket: {port: 80}, terminationGracePeriodSeconds: 1}"))),
			bad("no grace", c+"livenessProbe.terminationGracePeriodSeconds", set(c0+"livenessProbe.terminationGracePeriodSeconds", 0)),
			bad("long sleep", c+"lifecycle.preStop.sleep", set(c0+"lifecycle", js("{preStop: {sleep: {seconds: 300}}}"))),
			bad("probe of an init container", "spec.initContainers[0].livenessProbe", set("spec.initContainers.0.livenessProbe", js("{exec: {command: [a]}}"))),
			bad("hook of an init container", "spec.initContainers[0].lifecycle", set("spec.initContainers.0.lifecycle", js("{preStop: {exec: {command: [a]}}}"))),
			bad("restart rules without policy", c+"restartPolicy", set(c0+"restartPolicyRules", js("[{action: Restart, exitCodes: {operator: In, values: [1]}}]"))),
			bad("restart rule", c+"restartPolicyRules[0].action", set(c0+"restartPolicy", "Never"), set(c0+"restartPolicyRules", js("[{action: Explode, exitCodes: {operator: In, values: [1]}}]"))),
			bad("resize", c+"resizePolicy[0].resourceName", set(c0+"resizePolicy", js("[{resourceName: storage, restartPolicy: NotRequired}]"))).as("spec.containers[0].resizePolicy"),

			bad("request above limit", c+"resources.requests", set(c0+"resources.requests.cpu", "300m")),
			bad("negative limit", c+"resources.limits[cpu]", set(c0+"resources", js("{limits: {cpu: '-1'}}"))),
			bad("unknown resource", c+"resources.limits[love]", set(c0+"resources.limits.love", "1")),
			bad("half a device", c+"resources.limits[example.com/gpu]", set(c0+"resources.limits.example~com/gpu", "500m")),
			bad("device overcommitted", c+"resources.requests", set(c0+"resources", js("{limits: {example.com/gpu: 2}, requests: {example.com/gpu: 1}}"))),
			bad("device not limited", c+"resources.limits", set(c0+"resources", js("{requests: {example.com/gpu: 1}}"))),
			bad("huge pages alone", c+"resources", set(c0+"resources", js("{limits: {hugepages-2Mi: 4Mi}}"))),
			bad("half a huge page", c+"resources.limits[hugepages-2Mi]", set(c0+"resources", js("{limits: {hugepages-2Mi: 1Mi, cpu: 1}}"))),
			bad("claim of nothing", c+"resources.claims[0]", set(c0+"resources.claims", js("[{name: x}]"))),
			bad("pod has less than its containers", "spec.resources.requests[cpu]", set("spec.resources", js("{requests: {cpu: 1m}}"))),
			bad("pod has a device", "spec.resources.limits[example.com/gpu]", set("spec.resources", js("{limits: {example.com/gpu: 1}}"))),
			bad("claim without a source", "spec.resourceClaims[0]", set("spec.resourceClaims", js("[{name: a}]"))),

			bad("user", "spec.securityContext.runAsUser", set("spec.securityContext.runAsUser", -1)),
			bad("group", "spec.securityContext.fsGroup", set("spec.securityContext.fsGroup", -1)),
			bad("supplemental group", "spec.securityContext.supplementalGroups[0]", set("spec.securityContext.supplementalGroups", js("[-1]"))),
			bad("user of a container", c+"securityContext.runAsUser", set(c0+"securityContext", js("{runAsUser: -1}"))),
			bad("no escalation, but privileged", c+"securityContext", set(c0+"securityContext", js("{privileged: true, allowPrivilegeEscalation: false}"))),
			bad("no escalation, but a mighty capability", c+"securityContext", set(c0+"securityContext", js("{allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}"))),
			bad("unmasked proc", c+"securityContext.procMount", set(c0+"securityContext", js("{procMount: Unmasked}"))),
			bad("seccomp profile out of its folder", "spec.securityContext.seccompProfile.localhostProfile", set("spec.securityContext.seccompProfile", js("{type: Localhost, localhostProfile: ../a}"))),
			bad("seccomp profile without name", c+"securityContext.seccompProfile.localhostProfile", set(c0+"securityContext", js("{seccompProfile: {type: Localhost}}"))),
			bad("seccomp profile of no sort", "spec.securityContext.seccompProfile.type", set("spec.securityContext.seccompProfile", js("{type: ''}"))),
			bad("apparmor profile", c+"securityContext.appArmorProfile.localhostProfile", set(c0+"securityContext", js("{appArmorProfile: {type: Localhost, localhostProfile: ' a'}}"))),
			bad("seccomp annotation", "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]", set("metadata.annotations", js("{seccomp.security.alpha.kubernetes.io/pod: localhost/../a}"))).as("metadata.annotations.seccomp.security.alpha.kubernetes.io/pod"),
			bad("apparmor annotation of no container", "metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]", set("metadata.annotations", js("{container.apparmor.security.beta.kubernetes.io/x: unconfined}"))),
			bad("kernel parameter", "spec.securityContext.sysctls[0].name", set("spec.securityContext.sysctls", js("[{name: '../kernel', value: a}]"))),
			bad("kernel parameter of the host", "spec.securityContext.sysctls[0].name", set("spec.hostNetwork", true), set(c0+"ports", nil), set(c0+"livenessProbe.httpGet.port", 80), set("spec.securityContext.sysctls", js("[{name: net.core.somaxconn, value: '1'}]"))),
			bad("own users and the host's processes", "spec.hostPID", set("spec.hostUsers", false), set("spec.hostPID", true)).as("spec.HostPID"),
			bad("own users and the host's network", "spec.hostNetwork", set("spec.hostUsers", false), set("spec.hostNetwork", true)),
			bad("shared processes of the host", "spec.shareProcessNamespace", set("spec.hostPID", true), set("spec.shareProcessNamespace", true)).as("spec.securityContext.shareProcessNamespace"),
			bad("windows options on linux", c+"securityContext.windowsOptions", set("spec.os", js("{name: linux}")), set(c0+"securityContext", js("{windowsOptions: {hostProcess: false}}"))),
			bad("linux options on windows", c+"securityContext.privileged", set("spec.os", js("{name: windows}")), set("spec.securityContext", nil), set(c0+"securityContext", js("{privileged: true}"))),
			bad("system", "spec.os.name", set("spec.os", js("{name: plan9}"))).as("spec.os"),
			bad("own host name of a pod of the host", "spec.hostnameOverride", set("spec.hostNetwork", true), set(c0+"ports.0.hostPort", 80), set("spec.hostnameOverride", "a")),

			bad("deadline", "spec.activeDeadlineSeconds", set("spec.activeDeadlineSeconds", 0)),
			bad("node", "spec.nodeName", set("spec.nodeName", "a/b")),
			bad("node of a gated pod", "spec.nodeName", set("spec.nodeName", "a"), set("spec.schedulingGates", js("[{name: g}]"))),
			bad("gate twice", "spec.schedulingGates[1].name", set("spec.schedulingGates", js("[{name: g}, {name: g}]"))).as("-"),
			bad("selector", "spec.nodeSelector", set("spec.nodeSelector", js("{'a b': c}"))),
			bad("runtime class", "spec.runtimeClassName", set("spec.runtimeClassName", "A")).as("-"),
			bad("host name", "spec.hostname", set("spec.hostname", "a.b")),
			bad("subdomain", "spec.subdomain", set("spec.subdomain", "a.b")),
			bad("alias", "spec.hostAliases[0].hostnames[0]", set("spec.hostAliases", js("[{ip: 1.2.3.4, hostnames: ['a\\nb']}]"))),
			bad("alias of no address", "spec.hostAliases[0].ip", set("spec.hostAliases", js("[{ip: a}]"))),
			bad("readiness gate", "spec.readinessGates[0].conditionType", set("spec.readinessGates", js("[{conditionType: 'a b'}]"))),
			bad("toleration of everything", "spec.tolerations[0].operator", set("spec.tolerations.0", js("{operator: Equal}"))),
			bad("toleration for a while", "spec.tolerations[0].effect", set("spec.tolerations.0", js("{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 1}"))),
			bad("toleration of a sort that is none", "spec.tolerations[0].operator", set("spec.tolerations.0", js("{key: a, operator: Maybe}"))),
			bad("toleration of no effect", "spec.tolerations[0].effect", set("spec.tolerations.0", js("{key: a, operator: Exists, effect: Never}"))),
			bad("node affinity of nothing", "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms", set("spec.affinity", js("{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}"))),
			bad("node affinity by an operator that is none", "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator",
				set("spec.affinity", js("{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Like}]}]}}}"))),
			bad("pod affinity without topology", "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
				set("spec.affinity", js("{podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {a: b}}}]}}"))),
			bad("weight", "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight",
				set("spec.affinity", js("{podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, podAffinityTerm: {topologyKey: a}}]}}"))),
			bad("label selector", "spec.topologySpreadConstraints[0].labelSelector.matchExpressions[0].operator",
				set("spec.topologySpreadConstraints", js("[{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: [{key: a, operator: Like}]}}]"))),
			bad("skew", "spec.topologySpreadConstraints[0].maxSkew", set("spec.topologySpreadConstraints", js("[{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]"))),
			bad("spread twice", "spec.topologySpreadConstraints[1]", set("spec.topologySpreadConstraints", js("[{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]"))).
				as("spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}"),
			bad("ephemeral containers", "spec.ephemeralContainers", set("spec.ephemeralContainers", js("[{name: e, image: a}]"))),
			bad("mirror of no node", "metadata.annotations[kubernetes.io/config.mirror]", set("metadata.annotations", js("{kubernetes.io/config.mirror: x}"))).as("-"),
			bad("deletion cost", "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]", set("metadata.annotations", js("{controller.kubernetes.io/pod-deletion-cost: '+1'}"))),
			bad("label", "metadata.labels", set("metadata.labels", js("{a: 'b c'}"))),
		},
		stored: []edit{set("spec.tolerations", js("[{key: a, operator: Exists}]")), set("spec.activeDeadlineSeconds", 100)},
		updates: []change{
			ok("an image", set(c0+"image", "example.com/image:2")),
			ok("a shorter deadline", set("spec.activeDeadlineSeconds", 10)),
			ok("another toleration", set("spec.tolerations.3", js("{key: b, operator: Exists}"))),
			ok("a label", set("metadata.labels", js("{a: b}"))),
		},
		badUpdates: []refusal{
			bad("a command", "spec", set(c0+"command", js("[sh]"))),
			bad("privileges", "spec", set(c0+"securityContext", js("{privileged: true}"))),
			bad("the host's network", "spec", set("spec.hostNetwork", true), set(c0+"ports.0.hostPort", 80)),
			bad("the node", "spec", set("spec.nodeName", "other")),
			bad("a volume", "spec", set("spec.volumes.0", js("{name: data, hostPath: {path: /}}"))),
			bad("a container more", "spec.containers", set("spec.containers.1", js("{name: more, image: a, imagePullPolicy: Always, terminationMessagePolicy: File}"))),
			bad("a longer deadline", "spec.activeDeadlineSeconds", set("spec.activeDeadlineSeconds", 1000)),
			bad("no deadline", "spec.activeDeadlineSeconds", set("spec.activeDeadlineSeconds", nil)),
			bad("a toleration less", "spec.tolerations", set("spec.tolerations.0", nil)),
			bad("a gate", "spec.schedulingGates[0].name", set("spec.schedulingGates", js("[{name: a}]"))),
			bad("a mirror", "metadata.annotations[kubernetes.io/config.mirror]", set("metadata.annotations", js("{kubernetes.io/config.mirror: x}"))),
			bad("no image", c+"image", set(c0+"image", "")),
		},
		statuses: []change{
			ok("running", set("status", js("{phase: Running, qosClass: Burstable, hostIP: 10.0.0.1, hostIPs: [{ip: 10.0.0.1}], podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}], conditions: [{type: Ready, status: 'True'}, {type: example.com/x, status: 'False'}]}"))),
		},
		badStatuses: []refusal{
			bad("another class of service", "status.qosClass", set("status.qosClass", "Guaranteed")),
			bad("an address that is none", "status.podIPs[0]", set("status.podIPs", js("[{ip: a}]")), set("status.podIP", "a")),
			bad("two addresses of one family", "status.podIPs", set("status.podIPs", js("[{ip: 10.0.0.1}, {ip: 10.0.0.2}]")), set("status.podIP", "10.0.0.1")),
			bad("another address of the host", "status.hostIPs[0].ip", set("status.hostIPs", js("[{ip: 10.0.0.1}]")), set("status.hostIP", "10.0.0.2")).as("-"),
			bad("a condition", "status.conditions[0].type", set("status.conditions", js("[{type: 'a b', status: 'True'}]"))).as("status.conditions[0].Type"),
		},
	}.run(t)
}
