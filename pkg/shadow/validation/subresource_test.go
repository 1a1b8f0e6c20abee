// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/steppe-io/steppe/test/testcluster"
)

// subresource sends changes of a stored pod to a subresource of kube-apiserver,
// and to the function of this package for it.
func subresource(t *testing.T, name, pod string, check func(pod, old *corev1.Pod) field.ErrorList, good []change, bad []refusal) {
	t.Helper()
	c := testcluster.Need(t, cluster).Client
	stored := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(pod), &stored.Object); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Delete(context.Background(), stored, client.GracePeriodSeconds(0)); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
	send := func(t *testing.T, edits []edit) (ours field.ErrorList, theirs error) {
		u := edited(stored, edits)
		ours = check(typed(t, u).(*corev1.Pod), typed(t, stored).(*corev1.Pod))
		if theirs = c.SubResource(name).Update(t.Context(), u, &client.SubResourceUpdateOptions{UpdateOptions: client.UpdateOptions{DryRun: []string{"All"}}}); theirs == nil {
			ours = check(typed(t, u).(*corev1.Pod), typed(t, stored).(*corev1.Pod))
		}
		return ours, theirs
	}
	kindCase{}.accept(t, name, good, send)
	kindCase{}.refuse(t, name, bad, send)
}

func TestEphemeralContainersLikeKubeAPIServer(t *testing.T) {
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: ephemeral, namespace: default}
spec:
  automountServiceAccountToken: false
  containers: [{name: main, image: a}]
  volumes: [{name: data, emptyDir: {}}]
`
	with := func(text string) edit {
		return set("spec.ephemeralContainers.0", js("{name: e, image: a, imagePullPolicy: Always, terminationMessagePolicy: File, "+text+"}"))
	}
	const at = "spec.ephemeralContainers[0]."
	subresource(t, "ephemeralcontainers", pod, UpdateEphemeralContainers,
		[]change{ok("one", with("targetContainerName: main, volumeMounts: [{name: data, mountPath: /d}]"))},
		[]refusal{
			bad("of the name of another", at+"name", set("spec.ephemeralContainers.0", js("{name: main, image: a, imagePullPolicy: Always, terminationMessagePolicy: File}"))),
			bad("into nothing", at+"targetContainerName", with("targetContainerName: x")),
			bad("with ports", at+"ports", with("ports: [{containerPort: 1, protocol: TCP}]")),
			bad("with a probe", at+"livenessProbe", with("livenessProbe: {exec: {command: [a]}, periodSeconds: 1, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 1}")),
			bad("with resources", at+"resources", with("resources: {limits: {cpu: 1}}")),
			bad("with a sub path", at+"volumeMounts[0].subPath", with("volumeMounts: [{name: data, mountPath: /d, subPath: a}]")),
			bad("without image", at+"image", set("spec.ephemeralContainers.0", js("{name: e, imagePullPolicy: Always, terminationMessagePolicy: File}"))),
		})
}

func TestResizeLikeKubeAPIServer(t *testing.T) {
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: resize, namespace: default}
spec:
  automountServiceAccountToken: false
  containers: [{name: main, image: a, resources: {requests: {cpu: 100m, memory: 1Mi}, limits: {cpu: 200m}}}]
  initContainers: [{name: init, image: a}]
`
	const c0 = "spec.containers.0.resources."
	subresource(t, "resize", pod, UpdateResize,
		[]change{
			ok("nothing"),
			ok("more cpu", set(c0+"limits.cpu", "400m"), set(c0+"requests.cpu", "300m")),
			ok("a limit of memory", set(c0+"limits.memory", "1Gi")),
		},
		[]refusal{
			bad("request above limit", "spec.containers[0].resources.requests", set(c0+"requests.cpu", "300m")),
			bad("no limit any more", "spec.containers[0].resources.limits", set(c0+"limits", js("{}"))),
			bad("into another class", "spec", set(c0+"limits", js("{cpu: 100m, memory: 1Mi}")), set("spec.initContainers.0.resources", js("{limits: {cpu: 1, memory: 1Mi}, requests: {cpu: 1, memory: 1Mi}}"))),
			bad("more storage", "spec", set(c0+"requests.ephemeral-storage", "1Gi")),
		})
}

// kube-apiserver takes only the resources from such a request; whoever calls this
// package may not, and no image must change this way.
func TestOnlyResourcesAreResized(t *testing.T) {
	old := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	pod := old.DeepCopy()
	pod.Spec.Containers[0].Image = "b"
	if errs := UpdateResize(pod, old); !names(errs, "spec") {
		t.Errorf("It says %v", errs.ToAggregate())
	}
	if errs := UpdateEphemeralContainers(pod, old); !names(errs, "spec") {
		t.Errorf("It says %v", errs.ToAggregate())
	}
}

func TestStaticPodsStayAsTheyAre(t *testing.T) {
	mirror := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "a", Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "a"}
	if errs := UpdateResize(mirror, mirror); len(errs) == 0 {
		t.Error("A static pod can be resized")
	}
	if errs := UpdateEphemeralContainers(mirror, mirror); len(errs) == 0 {
		t.Error("A static pod can get containers")
	}
	if errs := Create(mirror); names(errs, "metadata.annotations[kubernetes.io/config.mirror]") {
		t.Errorf("A mirror with a node is refused: %v", errs.ToAggregate())
	}
}

func TestGatedPodsLikeKubeAPIServer(t *testing.T) {
	const required = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
	kindCase{
		good: `
apiVersion: v1
kind: Pod
metadata: {name: gated, namespace: default}
spec:
  automountServiceAccountToken: false
  schedulingGates: [{name: a}, {name: b}]
  nodeSelector: {a: b}
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
  containers: [{name: main, image: a}]
`,
		updates: []change{
			ok("one gate less", set("spec.schedulingGates.0", nil)),
			ok("fewer nodes", set("spec.nodeSelector.c", "d")),
			ok("still fewer", set(required+".0.matchExpressions.1", js("{key: b, operator: Exists}"))),
		},
		badUpdates: []refusal{
			bad("other nodes", "spec.nodeSelector", set("spec.nodeSelector.a", "c")),
			bad("more nodes", required+"[0]", set(required+".0.matchExpressions.0.key", "c")),
			bad("a term more", required, set(required+".1", js("{matchExpressions: [{key: b, operator: Exists}]}"))),
			bad("another gate", "spec.schedulingGates[0].name", set("spec.schedulingGates.0.name", "c")),
		},
	}.run(t)
}
