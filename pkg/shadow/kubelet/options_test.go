// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"
)

// What clients make of options must be read as what they meant.
func TestOptionsSurviveTheQuery(t *testing.T) {
	codec := runtime.NewParameterCodec(newScheme(t))
	filler := randfill.New().NilChance(0.5).NumElements(0, 3)
	for _, obj := range []runtime.Object{
		&corev1.PodLogOptions{}, &corev1.PodExecOptions{}, &corev1.PodAttachOptions{}, &corev1.PodPortForwardOptions{},
		&corev1.PodProxyOptions{}, &corev1.NodeProxyOptions{}, &corev1.ServiceProxyOptions{},
	} {
		for range 200 {
			filler.Fill(obj)
			if forward, ok := obj.(*corev1.PodPortForwardOptions); ok {
				for i := range forward.Ports {
					forward.Ports[i] &= 0xffff
				}
			}
			query, err := scheme.ParameterCodec.EncodeParameters(obj, corev1.SchemeGroupVersion)
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.New(reflect.TypeOf(obj).Elem()).Interface().(runtime.Object)
			if err := codec.DecodeParameters(query, corev1.SchemeGroupVersion, got); err != nil {
				t.Fatalf("%s: %v", query.Encode(), err)
			}
			again, err := scheme.ParameterCodec.EncodeParameters(got, corev1.SchemeGroupVersion)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(query, again); diff != "" {
				t.Fatalf("%T (-want +got):\n%s", obj, diff)
			}
		}
	}
}

func TestOptionsThatCannotBeRead(t *testing.T) {
	codec := runtime.NewParameterCodec(newScheme(t))
	for name, obj := range map[string]runtime.Object{
		"tailLines=x":             &corev1.PodLogOptions{},
		"sinceTime=yesterday":     &corev1.PodLogOptions{},
		"ports=80&ports=http":     &corev1.PodPortForwardOptions{},
		"sinceSeconds=1.5":        &corev1.PodLogOptions{},
		"limitBytes=&tailLines=1": &corev1.PodLogOptions{},
	} {
		query, err := url.ParseQuery(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := codec.DecodeParameters(query, corev1.SchemeGroupVersion, obj); err == nil {
			t.Errorf("%s: read as %+v", name, obj)
		}
	}
}

// kubectl explain knows them, and generated clients offer them.
func TestParametersAreInTheDocumentation(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string][]string{
		"/pods/{name}/log":         {"container", "follow", "limitBytes", "previous", "sinceSeconds", "tailLines", "timestamps"},
		"/pods/{name}/exec":        {"command", "container", "stderr", "stdin", "stdout", "tty"},
		"/pods/{name}/attach":      {"container", "stderr", "stdin", "stdout", "tty"},
		"/pods/{name}/portforward": {"ports"},
	} {
		found := false
		for _, route := range r.routes {
			if route.Method != http.MethodGet || !strings.HasSuffix(route.Path, path) {
				continue
			}
			found = true
			var names []string
			for _, parameter := range route.ParameterDocs {
				names = append(names, parameter.Data().Name)
			}
			for _, name := range want {
				if !slices.Contains(names, name) {
					t.Errorf("%s does not say that it takes %s, but %q", path, name, names)
				}
			}
		}
		if !found {
			t.Errorf("There is no %s", path)
		}
	}
}
