// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/apitesting/roundtrip"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/steppe-io/steppe/apis/apps"
	appsfuzzer "github.com/steppe-io/steppe/apis/apps/fuzzer"
	"github.com/steppe-io/steppe/apis/apps/v1alpha1"
	"github.com/steppe-io/steppe/apis/apps/v1beta1"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// TestRoundTrip sends random hub objects through every version and its JSON.
func TestRoundTrip(t *testing.T) {
	roundtrip.RoundTripTestForAPIGroup(t, Install, fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, appsfuzzer.Funcs))
}

// TestRoundTripPairs sends random objects of each version through each other
// version and back, in the way a client does that reads one version and writes
// another: nothing may be lost, whichever of the two can say more.
func TestRoundTripPairs(t *testing.T) {
	scheme := runtime.NewScheme()
	Install(scheme)
	codecs := serializer.NewCodecFactory(scheme)
	versions := []schema.GroupVersion{v1alpha1.SchemeGroupVersion, v1beta1.SchemeGroupVersion, v1beta2.SchemeGroupVersion}
	fill := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, appsfuzzer.Funcs), rand.NewSource(rand.Int63()), codecs)

	// through encodes obj in a version and decodes it, as server and client do.
	through := func(t *testing.T, obj runtime.Object, gv schema.GroupVersion) runtime.Object {
		t.Helper()
		codec := codecs.LegacyCodec(gv)
		data, err := runtime.Encode(codec, obj)
		if err != nil {
			t.Fatalf("encoding as %s: %v", gv, err)
		}
		back, err := runtime.Decode(codec, data)
		if err != nil {
			t.Fatalf("decoding %s: %v\n%s", gv, err, data)
		}
		return back
	}

	for _, from := range versions {
		for _, by := range versions {
			t.Run(fmt.Sprintf("%s by %s", from.Version, by.Version), func(t *testing.T) {
				for range 200 {
					pool := &apps.NodePool{}
					fill.Fill(pool)
					start := through(t, pool, from)
					if got := through(t, through(t, start, by), from); !apiequality.Semantic.DeepEqual(start, got) {
						t.Fatalf("lost on the way (-before +after):\n%s", cmp.Diff(start, got))
					}
				}
			})
		}
	}
}
