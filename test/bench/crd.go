// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bench compares Steppe with the real alternatives, side by side in one
// run. `make bench` runs it; results/ keeps what it said, with machine and date.
package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/generated/openapi"
)

// crdGroup is where the same NodePools live as custom resources.
const crdGroup = "crd.bench.steppe.io"

// newCRD defines NodePool v1beta2 as a custom resource, with the schema that
// yurt-apiserver publishes for it and the same columns and subresource.
func newCRD() (*apiextensionsv1.CustomResourceDefinition, error) {
	schema, err := flatten(v1beta2.NodePool{}.OpenAPIModelName())
	if err != nil {
		return nil, err
	}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "nodepools." + crdGroup},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: crdGroup,
			Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "nodepools", Singular: "nodepool", Kind: "NodePool", ListKind: "NodePoolList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: v1beta2.SchemeGroupVersion.Version, Served: true, Storage: true,
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{
					{Name: "Type", Type: "string", JSONPath: ".spec.type"},
					{Name: "ReadyNodes", Type: "integer", JSONPath: ".status.readyNodeNum"},
					{Name: "NotReadyNodes", Type: "integer", JSONPath: ".status.unreadyNodeNum"},
					{Name: "LeaderNodes", Type: "integer", JSONPath: ".status.leaderNum"},
					{Name: "LeaderElectionAge", Type: "date", JSONPath: ".status.leaderLastElectedTime"},
					{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
				},
			}},
		},
	}, nil
}

// flatten turns a generated definition into the structural schema of a CRD,
// which has no references.
func flatten(name string) (*apiextensionsv1.JSONSchemaProps, error) {
	const prefix = "#/definitions/"
	definitions := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref { return spec.MustCreateRef(prefix + name) })
	root, err := expand(definitions, prefix, definitions[name].Schema)
	if err != nil {
		return nil, err
	}
	properties := root["properties"].(map[string]any)
	properties["metadata"] = map[string]any{"type": "object"}
	delete(root, "x-kubernetes-group-version-kind")

	data, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	schema := &apiextensionsv1.JSONSchemaProps{}
	return schema, json.Unmarshal(data, schema)
}

func expand(definitions map[string]common.OpenAPIDefinition, prefix string, schema spec.Schema) (map[string]any, error) {
	data, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	return out, resolve(definitions, prefix, out)
}

// resolve replaces the references below node, in place.
func resolve(definitions map[string]common.OpenAPIDefinition, prefix string, node any) error {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			if err := resolve(definitions, prefix, item); err != nil {
				return err
			}
		}
	case map[string]any:
		delete(node, "default") // those of Go types, not of the API
		if ref, ok := reference(node); ok {
			definition, ok := definitions[strings.TrimPrefix(ref, prefix)]
			if !ok {
				return fmt.Errorf("no definition of %s", ref)
			}
			expanded, err := expand(definitions, prefix, definition.Schema)
			if err != nil {
				return err
			}
			delete(node, "$ref")
			delete(node, "allOf")
			delete(expanded, "x-kubernetes-group-version-kind")
			maps.Copy(node, expanded)
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if err := resolve(definitions, prefix, node[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// reference finds the reference of a node: bare, or alone in an allOf.
func reference(node map[string]any) (string, bool) {
	if ref, ok := node["$ref"].(string); ok {
		return ref, true
	}
	if all, ok := node["allOf"].([]any); ok && len(all) == 1 {
		if only, ok := all[0].(map[string]any); ok {
			return reference(only)
		}
	}
	return "", false
}
