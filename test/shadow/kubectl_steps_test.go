// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

// step is a command. Each builds on those before it.
type step struct {
	name, stdin, args string
	fails             bool
	want              []string
	// differs tells that the answer of a kube-apiserver may be another, poolAlone
	// that it is not asked.
	differs, poolAlone bool
}

const (
	basics = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: web}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {colour: red}}
---
{apiVersion: v1, kind: Secret, metadata: {name: password, namespace: shop}, stringData: {password: secret}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example.com/web:v1", ports: [{containerPort: 8080}]}]}
`
	blue  = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {colour: blue}}`
	small = `{apiVersion: v1, kind: ConfigMap, metadata: {name: applied, namespace: shop}, data: {size: small}}`
	big   = `{apiVersion: v1, kind: ConfigMap, metadata: {name: applied, namespace: shop}, data: {size: big}}`

	basicRoles = `
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: "system:basic-user"}, rules: [{apiGroups: [authorization.k8s.io], resources: [selfsubjectaccessreviews, selfsubjectrulesreviews], verbs: [create]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: "system:basic-user"}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:basic-user"}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]}
`

	node = `{apiVersion: v1, kind: Node, metadata: {name: kubectl-node, labels: {kubernetes.io/hostname: kubectl-node}}}`
	pod  = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec:
  nodeName: kubectl-node
  containers:
  - name: web
    image: example.com/web:v1
    ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {path: /, port: 8080}}
    resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
  volumes: [{name: settings, configMap: {name: settings}}]
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  automountServiceAccountToken: false
`
	misspelt = `{apiVersion: v1, kind: ConfigMap, metadata: {name: wrong, namespace: shop}, dta: {a: b}}`
	invalid  = `{apiVersion: v1, kind: Pod, metadata: {name: Wrong_Name, namespace: shop}, spec: {automountServiceAccountToken: false, restartPolicy: Sometimes, containers: [{name: a, image: "", ports: [{containerPort: 70000}]}, {name: a, image: b}]}}`

	crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cars.kubectl.example.com}
spec:
  group: kubectl.example.com
  scope: Namespaced
  names: {plural: cars, singular: car, kind: Car, shortNames: [cr], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.doors, statusReplicasPath: .status.doors}}
    additionalPrinterColumns: [{name: Doors, type: integer, jsonPath: .spec.doors}]
    schema:
      openAPIV3Schema:
        type: object
        description: Car drives.
        properties:
          spec:
            type: object
            description: What the car shall be.
            required: [doors]
            properties:
              doors: {type: integer, minimum: 2, description: How many doors the car has.}
              colour: {type: string, default: grey}
          status: {type: object, properties: {doors: {type: integer}}}
`
	car      = `{apiVersion: kubectl.example.com/v1, kind: Car, metadata: {name: mine, namespace: shop}, spec: {doors: 4}}`
	wrongCar = `{apiVersion: kubectl.example.com/v1, kind: Car, metadata: {name: wrong, namespace: shop}, spec: {doors: 1}}`

	podStatus    = `{"status":{"phase":"Running","podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"}],"hostIP":"10.0.0.1","hostIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}],"containerStatuses":[{"name":"web","ready":true,"restartCount":2,"image":"example.com/web:v1","imageID":"","state":{"running":{}}}]}}`
	nodeStatus   = `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1.36.3","osImage":"Debian","kernelVersion":"6.1","containerRuntimeVersion":"containerd://2.4.2"}}}`
	rolloutDone  = `{"status":{"observedGeneration":3,"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3,"conditions":[{"type":"Available","status":"True"}]}}`
	statusPatch  = "--subresource=status --type=merge -p "
	customColumn = "-o custom-columns=NAME:.metadata.name,COLOUR:.data.colour"
)

var steps = []step{
	{name: "apply", stdin: basics, args: "apply -f -", want: []string{"namespace/shop created", "deployment.apps/web created"}},
	{name: "apply again", stdin: basics, args: "apply -f -", want: []string{"configmap/settings unchanged"}},
	{name: "diff", stdin: blue, args: "diff -f -", fails: true, want: []string{"+  colour: blue"}, differs: true},
	{name: "apply a change", stdin: blue, args: "apply -f -", want: []string{"configmap/settings configured"}},
	{name: "no difference", stdin: blue, args: "diff -f -"},
	{name: "apply dry", stdin: small, args: "apply --dry-run=server -f -", want: []string{"created (server dry run)"}},
	{name: "nothing came of it", args: "get cm applied -n shop", fails: true, want: []string{`configmaps "applied" not found`}},
	{name: "apply by the server", stdin: small, args: "apply --server-side --field-manager=one -f -", want: []string{"serverside-applied"}},
	{name: "conflict", stdin: big, args: "apply --server-side --field-manager=two -f -", fails: true, want: []string{`conflict with "one": .data.size`}},
	{name: "forced", stdin: big, args: "apply --server-side --field-manager=two --force-conflicts -f -", want: []string{"serverside-applied"}},
	{name: "managers", args: "get cm applied -n shop -o yaml --show-managed-fields", want: []string{"manager: two", "f:size"}},
	{name: "misspelt", stdin: misspelt, args: "apply -f -", fails: true, want: []string{`unknown field "dta"`}},
	{name: "misspelt, by the server", stdin: misspelt, args: "apply --server-side -f -", fails: true},
	// The same is found, in another order.
	{name: "invalid", stdin: invalid, args: "create -f -", fails: true, want: []string{"spec.containers[0].image: Required value", "spec.containers[1].name: Duplicate value", "spec.restartPolicy: Unsupported value", "containerPort: Invalid value"}, differs: true},
	{name: "created twice", stdin: blue, args: "create -f -", fails: true, want: []string{"already exists"}},

	{name: "create node", stdin: node, args: "create -f -"},
	{name: "node is ready", args: "patch node kubectl-node " + statusPatch + nodeStatus},
	// In a cluster admission adds a taint, which a controller takes off.
	{name: "untaint", args: `patch node kubectl-node --type=merge -p {"spec":{"taints":null}}`, differs: true},
	{name: "create pod", stdin: pod, args: "create -f -"},
	{name: "pod runs", args: "patch pod web-1 -n shop " + statusPatch + podStatus},

	{name: "get", args: "get pods,svc,deploy,cm,secrets,sa -n shop"},
	{name: "get wide", args: "get pods,svc,deploy -o wide -n shop", want: []string{"NOMINATED NODE", "kubectl-node"}},
	{name: "get nodes", args: "get node kubectl-node -o wide", want: []string{"Ready", "v1.36.3", "containerd://2.4.2"}},
	{name: "get namespace", args: "get ns shop --show-labels", want: []string{"team=web"}},
	{name: "get all", args: "get all -n shop"},
	{name: "get everywhere", args: "get pods -A", want: []string{"shop"}, differs: true},
	{name: "get as YAML", args: "get deploy web -n shop -o yaml"},
	{name: "get pod as JSON", args: "get pod web-1 -n shop -o json"},
	{name: "get service as YAML", args: "get svc web -n shop -o yaml"},
	{name: "get secret as YAML", args: "get secret password -n shop -o yaml", want: []string{"c2VjcmV0"}},
	{name: "get columns", args: "get cm settings -n shop " + customColumn, want: []string{"blue"}},
	{name: "get sorted", args: "get cm -n shop --sort-by=.metadata.name -o name"},
	{name: "get by label", args: "get pods -n shop -l app=web -o name", want: []string{"pod/web-1"}},
	{name: "get by field", args: "get pods -n shop --field-selector=spec.nodeName=kubectl-node,status.phase=Running -o name", want: []string{"pod/web-1"}},
	{name: "get by a field that is none", args: "get pods -n shop --field-selector=spec.none=a", fails: true, differs: true},
	{name: "get in chunks", args: "get cm,secrets,sa -n shop --chunk-size=1 -o name", want: []string{"configmap/settings", "configmap/applied"}},
	{name: "get nothing", args: "get pvc -n shop", want: []string{"No resources found in shop namespace."}},
	{name: "get what is not there", args: "get pod none -n shop", fails: true, want: []string{`pods "none" not found`}},
	{name: "get what nobody knows", args: "get elephants", fails: true, want: []string{`the server doesn't have a resource type "elephants"`}},
	{name: "describe pod", args: "describe pod web-1 -n shop", want: []string{"Restart Count:", "Tolerations:"}},
	{name: "describe node", args: "describe node kubectl-node", want: []string{"Non-terminated Pods:"}},
	{name: "describe the rest", args: "describe deploy,svc,cm,secret,sa -n shop"},
	{name: "describe namespace", args: "describe ns shop"},
	{name: "events", args: "events -n shop", want: []string{"No events found"}},

	{name: "explain", args: "explain pods.spec.containers", want: []string{"FIELDS:", "image"}},
	{name: "explain all", args: "explain deployments --recursive"},
	{name: "explain by OpenAPI v2", args: "explain services.spec --output=plaintext-openapiv2", want: []string{"clusterIP"}},

	{name: "label", args: "label cm settings size=big -n shop", want: []string{"labeled"}},
	{name: "label again", args: "label cm settings size=small -n shop", fails: true, want: []string{"--overwrite is false"}},
	{name: "annotate", args: "annotate cm settings note=well -n shop", want: []string{"annotated"}},
	{name: "edit", args: "edit cm settings -n shop", want: []string{"configmap/settings edited"}},
	{name: "edited", args: "get cm settings -n shop -o jsonpath={.data.colour}", want: []string{"green"}},
	{name: "scale", args: "scale deploy web --replicas=3 -n shop", want: []string{"scaled"}},
	{name: "scale from a wrong number", args: "scale deploy web --current-replicas=7 --replicas=1 -n shop", fails: true},
	{name: "set image", args: "set image deploy/web web=example.com/web:v2 -n shop", want: []string{"image updated"}},
	{name: "rollout waits", args: "rollout status deploy/web -n shop --watch=false", want: []string{"Waiting for deployment"}},
	{name: "rollout done", args: "patch deploy web -n shop " + statusPatch + rolloutDone},
	{name: "rollout status", args: "rollout status deploy/web -n shop --timeout=60s", want: []string{`deployment "web" successfully rolled out`}},
	{name: "wait", args: "wait deploy/web -n shop --for=condition=Available --timeout=60s", want: []string{"condition met"}},
	{name: "rollout restart", args: "rollout restart deploy/web -n shop", want: []string{"restarted"}},
	{name: "autoscale", args: "autoscale deploy web --min=1 --max=5 --cpu=50% -n shop"},
	{name: "get autoscaler", args: "get hpa -n shop"},
	{name: "JSON patch", args: `patch cm settings -n shop --type=json -p [{"op":"replace","path":"/data/colour","value":"pink"}]`, want: []string{"patched"}},
	{name: "JSON patch that does not fit", args: `patch cm settings -n shop --type=json -p [{"op":"test","path":"/data/colour","value":"grey"}]`, fails: true},
	{name: "cordon", args: "cordon kubectl-node", want: []string{"cordoned"}},
	{name: "cordoned", args: "get node kubectl-node", want: []string{"Ready,SchedulingDisabled"}},
	{name: "uncordon", args: "uncordon kubectl-node"},
	{name: "taint", args: "taint node kubectl-node a=b:NoSchedule", want: []string{"tainted"}},

	// A pool has its roles from its cluster, which has these.
	{name: "basic roles", stdin: basicRoles, args: "apply -f -", poolAlone: true},
	{name: "may I", args: "auth can-i create pods -n shop", want: []string{"yes"}},
	{name: "who am I", args: "auth whoami", want: []string{"kubernetes-admin", "system:masters"}},
	{name: "may Bob", args: "auth can-i create pods -n shop --as=bob", fails: true, want: []string{"no"}},
	{name: "Bob is not let", args: "get pods -n shop --as=bob", fails: true, want: []string{`User "bob" cannot list resource "pods"`}},
	{name: "role", args: "create role reader --verb=get,list --resource=pods -n shop"},
	{name: "binding", args: "create rolebinding reader --role=reader --user=bob -n shop"},
	{name: "Bob may", args: "auth can-i list pods -n shop --as=bob", want: []string{"yes"}},
	{name: "Bob is let", args: "get pods -n shop --as=bob -o name", want: []string{"pod/web-1"}},
	{name: "get roles", args: "get role,rolebinding -n shop -o wide"},
	{name: "describe roles", args: "describe role,rolebinding -n shop"},
	{name: "token", args: "create token default -n shop --duration=10m", want: []string{"eyJ"}, differs: true},

	{name: "define", stdin: crd, args: "apply -f -", want: []string{"created"}},
	{name: "established", args: "wait crd cars.kubectl.example.com --for=condition=Established --timeout=60s", want: []string{"condition met"}},
	{name: "custom resource", stdin: car, args: "apply -f -", want: []string{"car.kubectl.example.com/mine created"}},
	{name: "custom resource by the server", stdin: car, args: "apply --server-side --force-conflicts -f -", want: []string{"serverside-applied"}},
	{name: "invalid custom resource", stdin: wrongCar, args: "create -f -", fails: true, want: []string{"should be greater than or equal to 2"}},
	{name: "get custom resource", args: "get cr -n shop", want: []string{"DOORS", "4"}},
	{name: "get custom resource as YAML", args: "get cars.v1.kubectl.example.com mine -n shop -o yaml", want: []string{"colour: grey"}},
	{name: "explain custom resource", args: "explain car.spec", want: []string{"How many doors the car has."}},
	{name: "explain custom resource by OpenAPI v2", args: "explain car.spec --output=plaintext-openapiv2", want: []string{"How many doors the car has."}},
	{name: "scale custom resource", args: "scale car mine --replicas=5 -n shop"},
	{name: "describe custom resource", args: "describe car mine -n shop", want: []string{"Doors: "}},
	{name: "get custom resource with all", args: "get all -n shop", want: []string{"car.kubectl.example.com/mine"}},
	{name: "describe definition", args: "get crd cars.kubectl.example.com"},
	{name: "delete custom resource", args: "delete car mine -n shop", want: []string{"deleted"}},
	{name: "delete definition", args: "delete crd cars.kubectl.example.com", want: []string{"deleted"}},

	{name: "versions", args: "api-versions", want: []string{"apps/v1", "apps.openyurt.io/v1beta2", "networking.k8s.io/v1"}, differs: true},
	{name: "version", args: "version", want: []string{"Server Version: v1.36."}, differs: true},
	{name: "raw version", args: "get --raw /version", want: []string{`"minor": "36"`}, differs: true},
	{name: "raw OpenAPI v3", args: "get --raw /openapi/v3", want: []string{"apis/apps/v1", "api/v1"}, differs: true},
	{name: "raw OpenAPI v2", args: "get --raw /openapi/v2", want: []string{"io.k8s.api.core.v1.Pod"}, differs: true},
	{name: "raw readiness", args: "get --raw /readyz", want: []string{"ok"}},
	{name: "raw discovery", args: "get --raw /apis/apps/v1", want: []string{"deployments/scale"}},
	{name: "raw core discovery", args: "get --raw /api/v1", want: []string{"pods/exec"}, differs: true},

	{name: "delete dry", args: "delete cm settings -n shop --dry-run=server", want: []string{"deleted"}},
	{name: "delete pod", args: "delete pod web-1 -n shop --wait=false", want: []string{`pod "web-1" deleted`}},
	{name: "pod ends", args: "get pod web-1 -n shop", want: []string{"Terminating"}},
	{name: "delete pod now", args: "delete pod web-1 -n shop --force --grace-period=0", want: []string{"force deleted"}},
	{name: "delete by file", stdin: blue, args: "delete -f -", want: []string{`configmap "settings" deleted`}},
	{name: "delete several", args: "delete deploy/web svc/web secret/password -n shop --cascade=orphan --wait=false", want: []string{`deployment.apps "web" deleted`}},
	{name: "delete namespace", args: "delete ns shop --wait=false", want: []string{`namespace "shop" deleted`}},
	{name: "delete node", args: "delete node kubectl-node", want: []string{"deleted"}},
}
