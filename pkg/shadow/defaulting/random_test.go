// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package defaulting

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"sigs.k8s.io/randfill"
)

// rounds is how many random objects of a kind are tried.
const rounds = 10

// quantities has what makes rounding hard: parts of thousandths, and numbers
// that do not fit 64 bits.
func quantities(serializer.CodecFactory) []any {
	return []any{
		func(q *resource.Quantity, c randfill.Continue) {
			switch c.Intn(4) {
			case 0:
				*q = *resource.NewScaledQuantity(c.Int63n(1_000_000), resource.Micro)
			case 1:
				*q = resource.MustParse(fmt.Sprintf("%d%d.%d", c.Uint64(), c.Uint64(), c.Uint64()))
			case 2:
				*q = *resource.NewQuantity(c.Int63n(1000), resource.BinarySI)
			default:
				*q = *resource.NewMilliQuantity(c.Int63n(1000), resource.DecimalSI)
			}
		},
	}
}

// forRandomObjects runs a test with random objects of each kind, and an empty
// one.
func forRandomObjects(t *testing.T, scheme *runtime.Scheme, test func(t *testing.T, object runtime.Object)) {
	t.Helper()
	codecs := serializer.NewCodecFactory(scheme)
	seed := time.Now().UnixNano()
	filler := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, quantities), rand.NewSource(seed), codecs).NumElements(1, 3).NilChance(.3)
	for _, kind := range builtinKinds(scheme) {
		t.Run(kind.Group+"/"+kind.Version+"/"+kind.Kind, func(t *testing.T) {
			for i := range rounds {
				object, err := scheme.New(kind)
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					filler.Fill(object)
				}
				object.GetObjectKind().SetGroupVersionKind(kind)
				test(t, object)
				if t.Failed() {
					t.Fatalf("The seed was %d, the round %d", seed, i)
				}
			}
		})
	}
}

// builtinKinds are the kinds of k8s.io/api, sorted.
func builtinKinds(scheme *runtime.Scheme) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for kind, t := range scheme.AllKnownTypes() {
		if strings.HasPrefix(t.PkgPath(), "k8s.io/api/") {
			kinds = append(kinds, kind)
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return kinds
}

func TestDefaultingTwiceIsDefaultingOnce(t *testing.T) {
	scheme := newScheme(t)
	forRandomObjects(t, scheme, func(t *testing.T, object runtime.Object) {
		scheme.Default(object)
		once := object.DeepCopyObject()
		scheme.Default(object)
		if !reflect.DeepEqual(once, object) {
			t.Errorf("defaulted again it differs (-once +twice):\n%s", cmp.Diff(toMap(t, once), toMap(t, object)))
		}
	})
}

// Stored objects are defaulted when they are read. Clients would take a change
// for a write without a new resourceVersion.
func TestStoredObjectsStayAsTheyWereWritten(t *testing.T) {
	scheme := newScheme(t)
	stored := protobuf.NewSerializer(scheme, scheme)
	forRandomObjects(t, scheme, func(t *testing.T, object runtime.Object) {
		writeAndRead := func(object runtime.Object) runtime.Object {
			data, err := runtime.Encode(stored, object)
			if err != nil {
				t.Fatal(err)
			}
			read, err := runtime.Decode(stored, data)
			if err != nil {
				t.Fatal(err)
			}
			scheme.Default(read)
			return read
		}
		// Protobuf does not tell empty from absent, so it goes first.
		written := writeAndRead(object)
		read := writeAndRead(written)
		if diff := cmp.Diff(toMap(t, written), toMap(t, read)); diff != "" {
			t.Errorf("read again it differs (-written +read):\n%s", diff)
		}
	})
}

func TestItemsOfListsAreDefaulted(t *testing.T) {
	scheme := newScheme(t)
	forRandomObjects(t, scheme, func(t *testing.T, object runtime.Object) {
		listKind := object.GetObjectKind().GroupVersionKind()
		listKind.Kind += "List"
		list, err := scheme.New(listKind)
		if err != nil || listKind.Kind == "PodStatusResultList" {
			t.Skip("there are no lists of this kind")
		}
		if err := meta.SetList(list, []runtime.Object{object.DeepCopyObject()}); err != nil {
			t.Fatal(err)
		}
		scheme.Default(list)
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		scheme.Default(object)
		if diff := cmp.Diff(toMap(t, object), toMap(t, items[0])); diff != "" {
			t.Errorf("in a list it differs (-alone +in a list):\n%s", diff)
		}
	})
}

// What is changed in one place must not change in another.
func TestFieldsShareNoMemory(t *testing.T) {
	scheme := newScheme(t)
	for _, object := range readObjects(t, "testdata") {
		t.Run(caseName(object), func(t *testing.T) {
			seen := addresses{}
			for _, name := range []string{"a", "b"} {
				typed, err := scheme.New(object.GroupVersionKind())
				if err != nil {
					t.Fatal(err)
				}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
					t.Fatal(err)
				}
				scheme.Default(typed)
				for _, shared := range seen.add(name, reflect.ValueOf(typed)) {
					t.Error(shared)
				}
			}
		})
	}
	forRandomObjects(t, scheme, func(t *testing.T, object runtime.Object) {
		scheme.Default(object)
		for _, shared := range (addresses{}).add("", reflect.ValueOf(object)) {
			t.Error(shared)
		}
	})
}

// addresses has the paths at which memory was found.
type addresses map[uintptr]string

// add visits all that a value refers to, and returns what was seen before.
func (a addresses) add(path string, value reflect.Value) (shared []string) {
	note := func(pointer uintptr, elem reflect.Type) {
		if elem.Size() == 0 {
			return
		}
		if other, found := a[pointer]; found {
			shared = append(shared, fmt.Sprintf("%s shares memory with %s", path, other))
			return
		}
		a[pointer] = path
	}
	if value.Type() == reflect.TypeFor[time.Time]() {
		return nil // times share their zone
	}
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			note(value.Pointer(), value.Type().Elem())
			shared = append(shared, a.add(path, value.Elem())...)
		}
	case reflect.Map:
		if !value.IsNil() {
			note(value.Pointer(), value.Type())
			for _, key := range value.MapKeys() {
				shared = append(shared, a.add(fmt.Sprintf("%s[%s]", path, key), value.MapIndex(key))...)
			}
		}
	case reflect.Slice:
		if value.Cap() > 0 {
			note(value.Pointer(), value.Type().Elem())
		}
		for i := range value.Len() {
			shared = append(shared, a.add(fmt.Sprintf("%s[%d]", path, i), value.Index(i))...)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			shared = append(shared, a.add(path+"."+value.Type().Field(i).Name, value.Field(i))...)
		}
	}
	return shared
}

// The objects compared with kube-apiserver's must be of all kinds that have
// defaults.
func TestAllDefaultedKindsAreCompared(t *testing.T) {
	scheme := newScheme(t)
	compared := map[schema.GroupVersionKind]bool{
		{Group: "authentication.k8s.io", Version: "v1", Kind: "TokenRequest"}: true,
		// It is a pod's status and nothing else.
		{Version: "v1", Kind: "PodStatusResult"}: true,
	}
	for _, object := range readObjects(t, "testdata") {
		compared[object.GroupVersionKind()] = true
	}
	forRandomObjects(t, scheme, func(t *testing.T, object runtime.Object) {
		kind := object.GetObjectKind().GroupVersionKind()
		before := object.DeepCopyObject()
		scheme.Default(object)
		if !meta.IsListType(object) && !compared[kind] && !reflect.DeepEqual(before, object) {
			t.Errorf("%s has defaults, but no object in testdata", kind)
		}
	})
}
