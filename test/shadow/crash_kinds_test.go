// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

const (
	crashNamespace = "crash"

	// valueKey is the annotation that has an object's value. The object has it in
	// another place too, so that half of a write would show.
	valueKey = "crash.example.com/value"

	// copies makes values in large fields large.
	copies = 200
)

// kind is a kind of objects to write.
type kind struct {
	resource schema.GroupVersionResource
	kind     string
	// clusterScoped objects have no namespace.
	clusterScoped bool
	// shared tells that there are objects of others, too.
	shared bool
	// graceful objects are marked before they are deleted, which a kube-apiserver
	// does too by two writes. Between them an object is as if its kubelet had yet
	// to end it.
	graceful bool
	// template is what all objects have.
	template map[string]any
	// field is where the value is, beside the annotation, and encode what it looks
	// like there.
	field  []string
	encode func(value string) any
}

var (
	widgets = schema.GroupVersionResource{Group: "crash.example.com", Version: "v1", Resource: "widgets"}

	// kinds are of all sorts: kept in memory and not, validated thoroughly and
	// little, our own and built in and defined.
	kinds = []kind{
		{resource: core("configmaps"), kind: "ConfigMap", field: []string{"data", "value"}, shared: true,
			encode: func(value string) any { return strings.Repeat(value+" ", copies) }},
		{resource: core("secrets"), kind: "Secret", field: []string{"data", "value"},
			encode: func(value string) any {
				return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(value, copies)))
			}},
		{resource: core("pods"), kind: "Pod", graceful: true, field: []string{"spec", "containers"},
			template: map[string]any{"spec": map[string]any{"nodeName": "node-1"}},
			encode: func(value string) any {
				return []any{map[string]any{"name": "app", "image": "registry.example.com/app:" + value}}
			}},
		{resource: core("services"), kind: "Service", field: []string{"spec", "externalName"},
			template: map[string]any{"spec": map[string]any{"type": "ExternalName"}},
			encode:   func(value string) any { return value + ".example.com" }},
		{resource: core("nodes"), kind: "Node", clusterScoped: true, field: []string{"spec", "taints"},
			encode: func(value string) any {
				return []any{map[string]any{"key": "value", "value": value, "effect": "NoSchedule"}}
			}},
		{resource: schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}, kind: "Lease",
			field: []string{"spec", "holderIdentity"}, encode: func(value string) any { return value }},
		{resource: schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}, kind: "EndpointSlice",
			template: map[string]any{"addressType": "FQDN"}, field: []string{"endpoints"},
			encode: func(value string) any {
				return []any{map[string]any{"addresses": []any{value + ".example.com"}}}
			}},
		{resource: schema.GroupVersionResource{Group: "apps.openyurt.io", Version: "v1beta2", Resource: "nodepools"}, kind: "NodePool", clusterScoped: true,
			template: map[string]any{"spec": map[string]any{"type": "Edge"}}, field: []string{"spec", "annotations", "value"},
			encode: func(value string) any { return value }},
		{resource: widgets, kind: "Widget", field: []string{"spec", "value"}, encode: func(value string) any { return value }},
	}
)

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

func (k *kind) of(client dynamic.Interface) dynamic.ResourceInterface {
	if k.clusterScoped {
		return client.Resource(k.resource)
	}
	return client.Resource(k.resource).Namespace(crashNamespace)
}

func (k *kind) newObject(name, value string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	if k.template != nil {
		object.Object = (&unstructured.Unstructured{Object: k.template}).DeepCopy().Object
	}
	object.SetAPIVersion(k.resource.GroupVersion().String())
	object.SetKind(k.kind)
	object.SetName(name)
	if !k.clusterScoped {
		object.SetNamespace(crashNamespace)
	}
	k.set(object, value)
	return object
}

// set gives an object a value.
func (k *kind) set(object *unstructured.Unstructured, value string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[valueKey] = value
	object.SetAnnotations(annotations)
	encoded := k.encode(value)
	if list, ok := encoded.([]any); ok {
		// What the server has filled in stays.
		if have, found, _ := unstructured.NestedSlice(object.Object, k.field...); found && len(have) == len(list) {
			for i := range list {
				for key, v := range list[i].(map[string]any) {
					have[i].(map[string]any)[key] = v
				}
			}
			encoded = have
		}
	}
	if err := unstructured.SetNestedField(object.Object, encoded, k.field...); err != nil {
		panic(err) // the table above is wrong
	}
}

func (k *kind) value(object *unstructured.Unstructured) string {
	return object.GetAnnotations()[valueKey]
}

// whole checks that an object has one value.
func (k *kind) whole(object *unstructured.Unstructured) error {
	if k.value(object) == "" && k.shared {
		return nil
	}
	got, _, err := unstructured.NestedFieldNoCopy(object.Object, k.field...)
	if err != nil {
		return err
	}
	if !contains(got, k.encode(k.value(object))) {
		return fmt.Errorf("it has value %s, and %v", k.value(object), got)
	}
	return nil
}

// contains tells whether got has all that want has.
func contains(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		for key, v := range want {
			ok = ok && contains(have[key], v)
		}
		return ok
	case []any:
		have, ok := got.([]any)
		ok = ok && len(have) == len(want)
		for i := range want {
			ok = ok && contains(have[i], want[i])
		}
		return ok
	default:
		return got == want
	}
}

// prepareKinds makes what the objects need.
func prepareKinds(t *testing.T, client dynamic.Interface) {
	t.Helper()
	ctx := t.Context()
	create := func(resource schema.GroupVersionResource, object map[string]any) {
		t.Helper()
		if _, err := client.Resource(resource).Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	create(core("namespaces"), map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": crashNamespace}})
	account := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default"}}}
	if _, err := client.Resource(core("serviceaccounts")).Namespace(crashNamespace).Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	create(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}, map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets.crash.example.com"},
		"spec": map[string]any{
			"group": widgets.Group, "scope": "Namespaced", "names": map[string]any{"plural": "widgets", "kind": "Widget"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "properties": map[string]any{"spec": map[string]any{
					"type": "object", "properties": map[string]any{"value": map[string]any{"type": "string"}},
				}},
			}}}},
		},
	})
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := client.Resource(widgets).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for custom resources to be served: %v", err)
	}
}
