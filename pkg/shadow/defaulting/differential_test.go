// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package defaulting

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
)

// startTimeout bounds the start of a server that is compiled already.
const startTimeout = 5 * time.Minute

// ofServer are the fields that kube-apiserver sets after defaulting, in
// strategies or for each object anew.
var ofServer = map[string][]string{
	"": {
		"metadata.creationTimestamp", "metadata.generation", "metadata.managedFields", "metadata.namespace",
		"metadata.resourceVersion", "metadata.uid",
	},
	"DaemonSet": {"metadata.annotations.deprecated.daemonset.template.generation"},
	"Job": {
		"metadata.labels.batch.kubernetes.io/controller-uid", "metadata.labels.batch.kubernetes.io/job-name",
		"metadata.labels.controller-uid", "metadata.labels.job-name",
		"spec.selector",
		"spec.template.metadata.labels.batch.kubernetes.io/controller-uid", "spec.template.metadata.labels.batch.kubernetes.io/job-name",
		"spec.template.metadata.labels.controller-uid", "spec.template.metadata.labels.job-name",
	},
	"Namespace":        {"spec.finalizers"},
	"PersistentVolume": {"status.lastPhaseTransitionTime"},
	"Pod":              {"status"},
	"Service": {
		"spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort", "spec.ipFamilies", "spec.ipFamilyPolicy",
		"spec.ports.nodePort",
	},
}

func TestSameAsKubeAPIServer(t *testing.T) {
	server := startServer(t)
	scheme := newScheme(t)

	for _, object := range readObjects(t, "testdata") {
		t.Run(caseName(object), func(t *testing.T) {
			theirs, err := server.resource(t, object).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				t.Fatalf("Create: %v", err)
			}
			compare(t, object.GetKind(), defaulted(t, scheme, object), theirs.Object)
		})
	}

	for _, object := range readObjects(t, "testdata/status") {
		t.Run("status/"+caseName(object), func(t *testing.T) {
			resource := server.resource(t, object)
			if _, err := resource.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
				t.Fatalf("Create: %v", err)
			}
			theirs, err := resource.UpdateStatus(t.Context(), object, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				t.Fatalf("UpdateStatus: %v", err)
			}
			if object.GetKind() == "Pod" {
				remove(theirs.Object, "status.phase")
				remove(theirs.Object, "status.qosClass")
			}
			compareField(t, "status", defaulted(t, scheme, object), theirs.Object)
		})
	}

	t.Run("TokenRequest", func(t *testing.T) {
		account := object("v1", "ServiceAccount", "tokens", nil)
		request := object("authentication.k8s.io/v1", "TokenRequest", "tokens", map[string]any{"audiences": []any{"x"}})
		accounts := server.resource(t, account)
		if _, err := accounts.Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
			t.Fatalf("Create: %v", err)
		}
		theirs, err := accounts.Create(t.Context(), request, metav1.CreateOptions{}, "token")
		if err != nil {
			t.Fatalf("Create token: %v", err)
		}
		compareField(t, "spec", defaulted(t, scheme, request), theirs.Object)
	})

	t.Run("PriorityLevelConfiguration/exempt", func(t *testing.T) {
		// There is one, and it cannot be created.
		exempt := object("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", "exempt",
			map[string]any{"type": "Exempt", "exempt": map[string]any{}})
		theirs := server.change(t, exempt)
		compareField(t, "spec", defaulted(t, scheme, exempt), theirs)
	})

	t.Run("Pod/ephemeral-containers", func(t *testing.T) {
		pod := object("v1", "Pod", "ephemeral-containers", map[string]any{
			"containers": []any{map[string]any{"name": "c", "image": "app:1"}},
		})
		if _, err := server.resource(t, pod).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatalf("Create: %v", err)
		}
		pod.Object["spec"].(map[string]any)["ephemeralContainers"] = []any{
			map[string]any{"name": "a", "image": "app"},
			map[string]any{"name": "b", "image": "app:1", "env": []any{
				map[string]any{"name": "A", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}},
			}},
		}
		theirs := server.change(t, pod, "ephemeralcontainers")
		compareField(t, "spec", defaulted(t, scheme, pod), theirs)
	})
}

func object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	object.SetName(name)
	if spec != nil {
		object.Object["spec"] = spec
	}
	return object
}

func caseName(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetName()
}

// defaulted decodes an object, as a server does with what it is sent.
func defaulted(t *testing.T, scheme *runtime.Scheme, object *unstructured.Unstructured) map[string]any {
	t.Helper()
	data, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	typed, err := runtime.Decode(codecs.UniversalDecoder(object.GroupVersionKind().GroupVersion()), data)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	return toMap(t, typed)
}

// toMap encodes an object as it is sent to clients.
func toMap(t *testing.T, object runtime.Object) map[string]any {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	fields := &unstructured.Unstructured{}
	if err := fields.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return fields.Object
}

// compare compares all that the server does not set.
func compare(t *testing.T, kind string, ours, theirs map[string]any) {
	t.Helper()
	for _, field := range append(ofServer[""], ofServer[kind]...) {
		remove(ours, field)
		remove(theirs, field)
	}
	settleTimes(ours)
	settleTimes(theirs)
	if diff := cmp.Diff(prune(theirs), prune(ours)); diff != "" {
		t.Errorf("defaulted otherwise (-kube-apiserver +ours):\n%s", diff)
	}
}

func compareField(t *testing.T, field string, ours, theirs map[string]any) {
	t.Helper()
	if diff := cmp.Diff(theirs[field], ours[field]); diff != "" {
		t.Errorf("defaulted otherwise (-kube-apiserver +ours):\n%s", diff)
	}
}

// remove removes a field, given by its path. A key may contain dots if it is
// the last one; lists are entered.
func remove(value any, field string) {
	switch value := value.(type) {
	case map[string]any:
		if _, found := value[field]; found {
			delete(value, field)
			return
		}
		if first, rest, found := strings.Cut(field, "."); found {
			remove(value[first], rest)
		}
	case []any:
		for _, item := range value {
			remove(item, field)
		}
	}
}

// settleTimes makes alike what both sides dated from now.
func settleTimes(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if text, ok := field.(string); ok && key == "timeAdded" {
				if at, err := time.Parse(time.RFC3339, text); err == nil && time.Since(at).Abs() < startTimeout {
					value[key] = "now"
				}
			}
			settleTimes(field)
		}
	case []any:
		for _, item := range value {
			settleTimes(item)
		}
	}
}

// prune removes metadata and parts of it that removing fields has emptied.
func prune(object map[string]any) map[string]any {
	for _, path := range [][]string{
		{"metadata", "annotations"}, {"metadata", "labels"}, {"metadata"}, {"spec", "template", "metadata", "labels"}, {"spec", "template", "metadata"}, {"spec"},
	} {
		if m, found, err := unstructured.NestedMap(object, path...); err == nil && found && len(m) == 0 {
			unstructured.RemoveNestedField(object, path...)
		}
	}
	return object
}

// realServer is a kube-apiserver.
type realServer struct {
	client dynamic.Interface
	groups []*restmapper.APIGroupResources
}

// startServer starts a kube-apiserver whose admission changes nothing.
func startServer(t *testing.T) *realServer {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real kube-apiserver; not with -short")
	}
	// Compiling the programs once takes minutes; only `go test -timeout` bounds
	// it.
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.ControlPlane()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTimeout, errors.New("the control plane takes too long"))
	defer cancel()
	cp, err := controlplane.Start(ctx, controlplane.Config{
		Dir: t.TempDir(), Binaries: programs,
		APIServerArgs: []string{
			"--disable-admission-plugins=DefaultIngressClass,DefaultStorageClass,DefaultTolerationSeconds,LimitRanger,Priority," +
				"RuntimeClass,ServiceAccount,StorageObjectInUseProtection,TaintNodesByCondition",
			// Without it the field that SetDefaults_Device fills is dropped.
			"--feature-gates=DRANodeAllocatableResources=true",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cp.Stop)
	config := cp.RESTConfig()
	config.WarningHandlerWithContext = rest.NoWarnings{} // odd objects are odd on purpose
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(resources)
	if err != nil {
		t.Fatal(err)
	}
	server := &realServer{client: client, groups: groups}
	server.waitForNamespace(ctx, t)
	return server
}

// waitForNamespace waits for the namespace that the server creates for itself.
func (s *realServer) waitForNamespace(ctx context.Context, t *testing.T) {
	t.Helper()
	namespaces := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	for {
		_, err := namespaces.Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
		if err == nil {
			return
		}
		if !apierrors.IsNotFound(err) {
			t.Fatalf("Get the default namespace: %v", err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Wait for the default namespace: %v", context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// resource returns where objects of a kind are created.
func (s *realServer) resource(t *testing.T, object *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	gvk := object.GroupVersionKind()
	mapping, err := restmapper.NewDiscoveryRESTMapper(s.groups).RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		t.Fatal(err)
	}
	resource := s.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == "namespace" {
		return resource.Namespace(metav1.NamespaceDefault)
	}
	return resource
}

// change has the server put the spec of an object, or a part of it, in place of
// the one that it has, and returns what it would have stored.
func (s *realServer) change(t *testing.T, object *unstructured.Unstructured, subresources ...string) map[string]any {
	t.Helper()
	resource := s.resource(t, object)
	current, err := resource.Get(t.Context(), object.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	current.Object["spec"] = object.DeepCopy().Object["spec"]
	changed, err := resource.Update(t.Context(), current, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}}, subresources...)
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return changed.Object
}
