// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// TestAdmissionPolicy has an administrator forbid something about node pools, as
// about any other kind.
func TestAdmissionPolicy(t *testing.T) {
	client := shared.Kubernetes.AdmissionregistrationV1()
	const name = "no-cloud-pools-here"
	_, err := client.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{"apps.openyurt.io"}, APIVersions: []string{"*"}, Resources: []string{"nodepools"}},
				},
			}}},
			Validations: []admissionv1.Validation{{
				Expression: `!object.metadata.name.startsWith("policy-") || object.spec.type != "Cloud"`,
				Message:    "no cloud pools here",
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.ValidatingAdmissionPolicyBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = client.ValidatingAdmissionPolicies().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	if _, err := client.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the policy", func(ctx context.Context) error {
		pool := &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "policy-cloud"}, Spec: v1beta2.NodePoolSpec{Type: v1beta2.Cloud}}
		_, err := shared.Steppe.AppsV1beta2().NodePools().Create(ctx, pool, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsInvalid(err) && strings.Contains(err.Error(), "no cloud pools here") {
			return nil
		}
		if err == nil {
			err = errors.New("the pool was let through")
		}
		return err
	})
	createPool(t, &v1beta2.NodePool{ObjectMeta: metav1.ObjectMeta{Name: "policy-edge"}})
}

// TestOpenAPI looks for our types in the documents of the kube-apiserver, from
// which kubectl, SDK generators and editors learn of them.
func TestOpenAPI(t *testing.T) {
	const model = "io.openyurt.apps.v1beta2.NodePool"
	eventually(t, "OpenAPI v2", func(context.Context) error {
		var v2 struct {
			Definitions map[string]json.RawMessage `json:"definitions"`
		}
		get(t, "/openapi/v2", "application/json", &v2)
		if _, ok := v2.Definitions[model]; !ok {
			return apierrors.NewNotFound(v1beta2.Resource("definitions"), model)
		}
		return nil
	})
	var v3 struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"schemas"`
		} `json:"components"`
	}
	get(t, "/openapi/v3/apis/apps.openyurt.io/v1beta2", "application/json", &v3)
	kinds := v3.Components.Schemas[model].Kinds
	if len(kinds) != 1 || kinds[0].Kind != "NodePool" {
		t.Errorf("OpenAPI v3 says that %s is %v", model, kinds)
	}
}
