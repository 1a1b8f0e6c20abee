// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/pkg/controller/nodepool/attributes"
	"github.com/steppe-io/steppe/test/testcluster"
)

const forgery = `{"metadata":{"annotations":{"nodepool.openyurt.io/previous-attributes":"{\"taints\":[{\"key\":\"quarantine\",\"effect\":\"NoExecute\"}]}"}}}`

// kubelet returns a client with the identity of a node's kubelet.
func kubelet(t *testing.T, node string) client.Client {
	t.Helper()
	config, err := cluster.UserConfig("system:node:"+node, "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	c, err := testcluster.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enforcePolicy installs the policy of the manifests, waits until it works, and
// takes it away when the test ends.
func enforcePolicy(t *testing.T) {
	t.Helper()
	c := testcluster.Need(t, cluster)
	for _, object := range manifest(t, "policy.yaml") {
		if err := c.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Client.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		})
	}
	c.CreateNode(t, "policy-probe", "")
	k := kubelet(t, "policy-probe")
	testcluster.Eventually(t, func() error {
		err := k.Patch(t.Context(), nodeNamed("policy-probe"), merge(forgery), client.DryRunAll)
		if err == nil {
			return errors.New("the policy does not work")
		}
		if !apierrors.IsForbidden(err) {
			return err
		}
		return nil
	})
}

func nodeNamed(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func merge(body string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(body))
}

func labelPatch(key, value string) string {
	return fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, key, value)
}

// TestPolicyHasTypes: kube-controller-manager checks the types of a policy, and
// puts what it finds into the status, where users would wonder about it.
func TestPolicyHasTypes(t *testing.T) {
	config := testcluster.Need(t, cluster).RESTConfig()
	policy := &admissionv1.ValidatingAdmissionPolicy{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifest(t, "policy.yaml")[0].Object, policy); err != nil {
		t.Fatal(err)
	}
	api, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	checker := &validating.TypeChecker{SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: api}, RestMapper: mapper}
	for _, warning := range checker.Check(policy) {
		t.Errorf("%s: %s", warning.FieldRef, warning.Warning)
	}
	policy.Spec.Validations[0].Expression = "object.metadata.nonsense == ''"
	if len(checker.Check(policy)) == 0 {
		t.Error("nonsense passes the check, so nothing was checked")
	}
}

// TestPolicyOnKubelets has a kubelet try to give orders to yurt-manager, and do
// what kubelets do all day.
func TestPolicyOnKubelets(t *testing.T) {
	enforcePolicy(t)
	const name = "policy"
	c, k := cluster.Client, kubelet(t, name)

	forged := nodeNamed(name)
	forged.Annotations = map[string]string{apps.AnnotationPreviousAttributes: "{}"}
	if err := k.Create(t.Context(), forged); !apierrors.IsForbidden(err) {
		t.Errorf("a node registers with a record: %v", err)
	}
	node := nodeNamed(name)
	node.Labels = map[string]string{corev1.LabelHostname: name, apps.LabelNodePool: "site"}
	if err := k.Create(t.Context(), node); err != nil {
		t.Fatalf("a node cannot register in a pool: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Delete(context.Background(), nodeNamed(name)); err != nil {
			t.Error(err)
		}
	})
	// What yurt-manager does to it.
	record := `{"labels":{"example.com/tier":"gold"},"pool":"site"}`
	if err := c.Patch(t.Context(), nodeNamed(name), client.RawPatch(types.ApplyPatchType, fmt.Appendf(nil,
		`{"apiVersion":"v1","kind":"Node","metadata":{"labels":{"example.com/tier":"gold"},"annotations":{%q:%q}}}`, apps.AnnotationPreviousAttributes, record)),
		client.FieldOwner(attributes.FieldManager)); err != nil {
		t.Fatal(err)
	}
	// And an administrator.
	cluster.Label(t, name, "node-restriction.kubernetes.io/tenant", "a")

	stolen := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Node","metadata":{"labels":{"node-restriction.kubernetes.io/tenant":"a","example.com/tier":"gold"},"annotations":{%q:%q}}}`,
		apps.AnnotationPreviousAttributes, record)
	refused := map[string]struct {
		reason string
		status bool // through the subresource
		patch  client.Patch
		says   string
		opts   []client.PatchOption
	}{
		"Record":             {"a forged record has yurt-manager take away taints", false, merge(forgery), apps.AnnotationPreviousAttributes, nil},
		"RecordAndStatus":    {"annotations can be changed through the status as well", true, merge(forgery), apps.AnnotationPreviousAttributes, nil},
		"RecordRemoved":      {"and what it says is then not taken away", false, merge(`{"metadata":{"annotations":null}}`), apps.AnnotationPreviousAttributes, nil},
		"OtherPool":          {"another pool's taints may let other pods in", false, merge(labelPatch(apps.LabelNodePool, `"other"`)), "this node is in pool site", nil},
		"OtherPoolAndStatus": {"labels can be changed through the status as well", true, merge(labelPatch(apps.LabelNodePool, `"other"`)), "this node is in pool site", nil},
		"NoPool":             {"no pool has no taints", false, merge(labelPatch(apps.LabelNodePool, "null")), "this node is in pool site", nil},
		"EmptyPool":          {"which is the same", false, merge(labelPatch(apps.LabelNodePool, `""`)), "this node is in pool site", nil},
		"OurName": {"what yurt-manager owns it may take away", false, client.RawPatch(types.ApplyPatchType, stolen), attributes.FieldManager,
			[]client.PatchOption{client.FieldOwner(attributes.FieldManager), client.ForceOwnership}},
		"OurEntry": {"managedFields can be written as any other field", false, merge(`{"metadata":{"managedFields":[{"manager":"yurt-manager-nodepool","operation":"Apply","apiVersion":"v1",` +
			`"fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:node-restriction.kubernetes.io/tenant":{}}}}}]}}`), attributes.FieldManager, nil},
	}
	for what, tc := range refused {
		t.Run("Refused/"+what, func(t *testing.T) {
			var err error
			if tc.status {
				err = k.Status().Patch(t.Context(), nodeNamed(name), tc.patch)
			} else {
				err = k.Patch(t.Context(), nodeNamed(name), tc.patch, tc.opts...)
			}
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "nodes may not") || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
	if got := cluster.Node(t, name).Annotations[apps.AnnotationPreviousAttributes]; got != record {
		t.Errorf("the record is %s now", got)
	}

	daily := map[string]struct {
		reason string
		change func(*corev1.Node)
		status bool
	}{
		"Heartbeat":   {"conditions", func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() }, true},
		"FirstStatus": {"addresses and an annotation, with the status", func(n *corev1.Node) { n.Annotations["volumes.kubernetes.io/controller-managed-attach-detach"] = "true" }, true},
		"Labels":      {"labels that kubelets keep", func(n *corev1.Node) { n.Labels[corev1.LabelArchStable] = "arm64" }, false},
		"PoolsLabel":  {"a label that the pool has given, which yurt-manager will put back", func(n *corev1.Node) { n.Labels["example.com/tier"] = "mine" }, false},
		"SamePool":    {"nothing at all", func(*corev1.Node) {}, false},
	}
	cluster.SetReady(t, name, corev1.ConditionTrue)
	for what, tc := range daily {
		t.Run("Passes/"+what, func(t *testing.T) {
			before := cluster.Node(t, name)
			after := before.DeepCopy()
			tc.change(after)
			patch := client.StrategicMergeFrom(before)
			var err, updateErr error
			if tc.status {
				err = k.Status().Patch(t.Context(), after, patch)
				updateErr = k.Status().Update(t.Context(), after)
			} else {
				err = k.Patch(t.Context(), after, patch)
				updateErr = k.Update(t.Context(), after)
			}
			if err != nil || updateErr != nil {
				t.Errorf("%s: patch: %v, update: %v", tc.reason, err, updateErr)
			}
		})
	}

	t.Log("An administrator may do all of it.")
	for _, body := range []string{forgery, labelPatch(apps.LabelNodePool, `"other"`), labelPatch(apps.LabelNodePool, "null")} {
		if err := c.Patch(t.Context(), nodeNamed(name), merge(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}

	t.Log("A node in no pool may choose one, once.")
	if err := k.Patch(t.Context(), nodeNamed(name), merge(labelPatch(apps.LabelNodePool, `"site"`))); err != nil {
		t.Errorf("join: %v", err)
	}
	if err := k.Patch(t.Context(), nodeNamed(name), merge(labelPatch(apps.LabelNodePool, `"other"`))); !apierrors.IsForbidden(err) {
		t.Errorf("move: %v", err)
	}
}
