// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"math/rand"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/scheme"
)

// Old objects are what other requests see too.
func TestPreparingLeavesTheOldObjectAlone(t *testing.T) {
	types := apiserver.NewScheme(scheme.AddBuiltin)
	codecs := serializer.NewCodecFactory(types)
	const tries = 20
	for i := range rows {
		row := &rows[i]
		base := &strategy{ObjectTyper: types, row: row}
		strategies := map[string]rest.RESTUpdateStrategy{"object": base}
		if row.Status {
			strategies["status"] = statusStrategy{base}
		}
		switch row.Name {
		case "pods":
			strategies["ephemeralcontainers"], strategies["resize"] = ephemeralStrategy{base}, resizeStrategy{base}
		case "namespaces":
			strategies["finalize"] = finalizeStrategy{base}
		case "certificatesigningrequests":
			strategies["approval"] = approvalStrategy{statusStrategy{base}}
		}
		for part, strategy := range strategies {
			for seed := range int64(tries) {
				t.Run(row.Name+"/"+part+"/"+strconv.FormatInt(seed, 10), func(t *testing.T) {
					fill := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(seed), codecs)
					old, err := types.New(row.Kind)
					if err != nil {
						t.Fatal(err)
					}
					fill.Fill(old)
					// A client changes some of what it has read, and the rest is shared.
					obj := old.DeepCopyObject()
					fill.Fill(obj)
					half := reflect.New(reflect.TypeOf(old).Elem())
					half.Elem().Set(reflect.ValueOf(old).Elem())
					for _, update := range []runtime.Object{obj, half.Interface().(runtime.Object)} {
						was := old.DeepCopyObject()
						strategy.PrepareForUpdate(t.Context(), update, old)
						strategy.Canonicalize(update)
						if diff := cmp.Diff(was, old); diff != "" {
							t.Fatalf("the old object has changed:\n%s", diff)
						}
					}
				})
			}
		}
	}
}
