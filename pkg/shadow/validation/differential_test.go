// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/steppe-io/steppe/test/testcluster"
)

// kindCase is one kind. Every case is sent to kube-apiserver, which gives the
// defaults, and to this package; both must think the same of it.
type kindCase struct {
	// good is an object in YAML, which both accept.
	good string
	// variants are changes after which both accept the object.
	variants []change
	// bad are changes after which both refuse it.
	bad []refusal
	// updates are changes of a stored object, and of its status.
	updates     []change
	badUpdates  []refusal
	statuses    []change
	badStatuses []refusal
	// stored prepares the object that is updated.
	stored []edit
}

// change is some edits of an object, with a reason.
type change struct {
	why   string
	edits []edit
}

// refusal is a change for which both must name a field.
type refusal struct {
	why string
	// field is what this package must name.
	field string
	// theirs is what kube-apiserver names if that is another, mostly a less
	// exact one; - if it names none.
	theirs string
	edits  []edit
}

// edit sets what is at a path like spec.containers.0.image, or removes it if the
// value is nil. A dot in a name is written ~.
type edit struct {
	path  string
	value any
}

func ok(why string, edits ...edit) change { return change{why, edits} }

func bad(why, field string, edits ...edit) refusal { return refusal{why, field, field, edits} }

// as says that kube-apiserver names another field.
func (r refusal) as(theirs string) refusal {
	r.theirs = theirs
	return r
}

func set(path string, value any) edit { return edit{path, value} }

// js is a value in YAML.
func js(text string) any {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		panic(err)
	}
	return value
}

func (e edit) apply(object any) any {
	return replace(object, strings.Split(e.path, "."), e.value)
}

func replace(in any, path []string, value any) any {
	if len(path) == 0 {
		return normal(value)
	}
	key, rest := strings.ReplaceAll(path[0], "~", "."), path[1:]
	if i, err := strconv.Atoi(key); err == nil {
		if list, ok := in.([]any); ok || in == nil {
			for len(list) <= i {
				list = append(list, nil)
			}
			if len(rest) == 0 && value == nil {
				return slices.Delete(list, i, i+1)
			}
			list[i] = replace(list[i], rest, value)
			return list
		}
	}
	m, _ := in.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	if len(rest) == 0 && value == nil {
		delete(m, key)
	} else {
		m[key] = replace(m[key], rest, value)
	}
	return m
}

// normal makes of a Go value what JSON has for it.
func normal(value any) any {
	data, err := json.Marshal(map[string]any{"value": value})
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := utiljson.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out["value"]
}

func edited(u *unstructured.Unstructured, edits []edit) *unstructured.Unstructured {
	out := u.DeepCopy()
	for _, e := range edits {
		out.Object = e.apply(out.Object).(map[string]any)
	}
	return out
}

// typed is the object as this package gets it.
func typed(t *testing.T, u *unstructured.Unstructured) runtime.Object {
	t.Helper()
	obj, err := untyped(u)
	if err != nil {
		t.Fatalf("Decoding: %v", err)
	}
	return obj
}

func untyped(u *unstructured.Unstructured) (runtime.Object, error) {
	obj, err := clientgoscheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	return obj, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj)
}

// clean takes away what only the server sets.
func clean(u *unstructured.Unstructured) {
	for _, name := range []string{"uid", "creationTimestamp", "managedFields", "resourceVersion", "generation", "selfLink"} {
		unstructured.RemoveNestedField(u.Object, "metadata", name)
	}
}

// withoutAddress takes away the address that a dry run gives to a Service, which is
// no real one.
func withoutAddress(service, as *unstructured.Unstructured) {
	for _, name := range []string{"clusterIP", "clusterIPs"} {
		if value, _, _ := unstructured.NestedFieldNoCopy(as.Object, "spec", name); value == nil {
			unstructured.RemoveNestedField(service.Object, "spec", name)
		}
	}
}

func (k kindCase) run(t *testing.T) {
	c := testcluster.Need(t, cluster).Client
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}
	// Pods need one; no controller makes it here.
	if err := c.Create(t.Context(), account); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	good := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(k.good), &good.Object); err != nil {
		t.Fatal(err)
	}
	defaulted := good.DeepCopy()
	if err := c.Create(t.Context(), defaulted, client.DryRunAll); err != nil {
		t.Fatalf("kube-apiserver refuses the good object: %v", err)
	}
	if defaulted.GetKind() == "Service" {
		withoutAddress(defaulted, good)
	}
	clean(defaulted)
	create := func(t *testing.T, edits []edit) (ours field.ErrorList, theirs error) {
		u := edited(defaulted, edits)
		ours = Create(typed(t, u))
		if theirs = c.Create(t.Context(), u, client.DryRunAll); theirs == nil {
			// Parts that came with the edits have their defaults now.
			clean(u)
			ours = Create(typed(t, u))
		}
		return ours, theirs
	}
	k.accept(t, "create", append([]change{ok("as it is")}, k.variants...), create)
	k.refuse(t, "create", k.bad, create)
	seen := mutated{}
	for _, v := range append([]change{ok("as it is")}, k.variants...) {
		base := edited(defaulted, v.edits)
		if err := c.Create(t.Context(), base, client.DryRunAll); err != nil {
			t.Fatal(err)
		}
		clean(base)
		if base.GetKind() == "Service" {
			withoutAddress(base, edited(defaulted, v.edits))
		}
		seen.mutate(t, "create/"+v.why, base, false, func(t *testing.T, edits []edit) (field.ErrorList, error) {
			return create(t, append(slices.Clone(v.edits), edits...))
		})
	}
	if len(k.updates)+len(k.badUpdates)+len(k.statuses)+len(k.badStatuses) == 0 {
		return
	}
	stored := edited(defaulted, k.stored)
	if err := c.Create(t.Context(), stored); err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() {
		stored.SetFinalizers(nil)
		if err := c.Delete(context.Background(), stored, client.GracePeriodSeconds(0)); err != nil && !apierrors.IsNotFound(err) {
			t.Logf("Delete: %v", err)
		}
	})
	update := func(t *testing.T, edits []edit) (ours field.ErrorList, theirs error) {
		u := edited(stored, edits)
		ours = Update(typed(t, u), typed(t, stored))
		if theirs = c.Update(t.Context(), u, client.DryRunAll); theirs == nil {
			ours = Update(typed(t, u), typed(t, stored))
		}
		return ours, theirs
	}
	k.accept(t, "update", append([]change{ok("nothing")}, k.updates...), update)
	k.refuse(t, "update", k.badUpdates, update)
	updateStatus := func(t *testing.T, edits []edit) (ours field.ErrorList, theirs error) {
		u := edited(stored, edits)
		ours = UpdateStatus(typed(t, u), typed(t, stored))
		if theirs = c.Status().Update(t.Context(), u, client.DryRunAll); theirs == nil {
			ours = UpdateStatus(typed(t, u), typed(t, stored))
		}
		return ours, theirs
	}
	k.accept(t, "status", k.statuses, updateStatus)
	k.refuse(t, "status", k.badStatuses, updateStatus)
	mutated{}.mutate(t, "update", stored, false, update)
	for _, v := range k.statuses {
		mutated{}.mutate(t, "status/"+v.why, edited(stored, v.edits), true, func(t *testing.T, edits []edit) (field.ErrorList, error) {
			return updateStatus(t, append(slices.Clone(v.edits), edits...))
		})
	}
}

func (k kindCase) accept(t *testing.T, verb string, cases []change, send func(*testing.T, []edit) (field.ErrorList, error)) {
	for _, test := range cases {
		t.Run(verb+"/good/"+test.why, func(t *testing.T) {
			ours, theirs := send(t, test.edits)
			if theirs != nil {
				t.Errorf("kube-apiserver refuses: %v", theirs)
			}
			if len(ours) > 0 {
				t.Errorf("This package refuses: %v", ours.ToAggregate())
			}
		})
	}
}

func (k kindCase) refuse(t *testing.T, verb string, cases []refusal, send func(*testing.T, []edit) (field.ErrorList, error)) {
	for _, test := range cases {
		t.Run(verb+"/bad/"+test.why, func(t *testing.T) {
			ours, theirs := send(t, test.edits)
			if !names(ours, test.field) {
				t.Errorf("This package does not name %s: %v", test.field, ours.ToAggregate())
			}
			fields, err := named(theirs)
			if err != nil {
				t.Error(err)
			} else if test.theirs != "-" && !slices.Contains(fields, test.theirs) {
				t.Errorf("kube-apiserver does not name %s but %q: %v", test.theirs, fields, theirs)
			}
		})
	}
}

// named are the fields that a refusal of kube-apiserver names.
func named(err error) ([]string, error) {
	if err == nil {
		return nil, errors.New("kube-apiserver does not refuse")
	}
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return nil, fmt.Errorf("kube-apiserver does not refuse, but says %w", err)
	}
	if code := status.ErrStatus.Code; code != http.StatusUnprocessableEntity && code != http.StatusBadRequest && code != http.StatusForbidden {
		return nil, fmt.Errorf("kube-apiserver does not call it invalid: %w", err)
	}
	var fields []string
	if status.ErrStatus.Details != nil {
		for _, cause := range status.ErrStatus.Details.Causes {
			fields = append(fields, cause.Field)
		}
	}
	return fields, nil
}
