// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// differences are where this package and kube-apiserver are known to disagree, as
// the package's comment says. Each is the end of a path, indexes left out.
var differences = struct{ lax, strict []string }{
	lax: []string{
		// What selects devices is compiled by those who evaluate it.
		"ResourceClaim spec.devices.requests.exactly.selectors.cel.expression",
		"ResourceClaimTemplate spec.spec.devices.requests.exactly.selectors.cel.expression",
		"DeviceClass spec.selectors.cel.expression",
	},
	strict: []string{
		// One such port stops kube-proxy from programming any.
		"EndpointSlice ports.port",
		// No allocator sees a dry run: it takes and gives what is in no range.
		"Service spec.ports.nodePort",
		// The second of two volumes is overwritten by the claim like the first.
		"StatefulSet spec.template.spec.volumes",
	},
}

// mutated are the changes that were tried already.
type mutated map[string]bool

// mutate changes every single value in an object to values that are often wrong,
// and sends each change to both: nobody thinks of all of them.
func (m mutated) mutate(t *testing.T, verb string, object *unstructured.Unstructured, status bool, send func(*testing.T, []edit) (field.ErrorList, error)) {
	t.Run(verb+"/mutated", func(t *testing.T) {
		for _, change := range mutations(object.Object, status) {
			if m[change.why] {
				continue
			}
			m[change.why] = true
			u := edited(object, change.edits)
			if _, err := untyped(u); err != nil {
				continue // no server would ask what is wrong with it
			}
			ours, theirs := send(t, change.edits)
			where := object.GetKind() + " " + strings.Join(slices.DeleteFunc(strings.Split(change.edits[0].path, "."), func(s string) bool {
				_, err := strconv.Atoi(s)
				return err == nil
			}), ".")
			switch {
			// What admission forbids is not for this package to refuse.
			case apierrors.IsInvalid(theirs) && len(ours) == 0 && !slices.Contains(differences.lax, where):
				t.Errorf("%s: kube-apiserver alone refuses: %v", change.why, theirs)
			case theirs == nil && len(ours) > 0 && !slices.Contains(differences.strict, where):
				t.Errorf("%s: this package alone refuses: %v", change.why, ours.ToAggregate())
			}
		}
	})
}

// mutations are changes of single values in an object or in its status.
func mutations(object any, status bool) []change {
	var all []change
	eachValue(object, nil, func(path []string, value any) {
		if len(path) == 0 || slices.Contains([]string{"apiVersion", "kind", "metadata"}, path[0]) || (path[0] == "status") != status {
			return
		}
		at := strings.Join(path, ".")
		add := func(value any) {
			all = append(all, change{fmt.Sprintf("%s becomes %.40v", at, value), []edit{set(at, value)}})
		}
		add(nil)
		switch value := value.(type) {
		case string:
			for _, text := range []string{"", "..", "../../etc", "/a", "A b!", "-1", "a.b", strings.Repeat("a", 300)} {
				add(text)
			}
		case int64, float64:
			for _, n := range []int64{-1, 0, 1, 70_000, 1<<31 - 1} {
				add(n)
			}
		case bool:
			add(!value)
		case []any:
			add([]any{})
			if len(value) > 0 {
				add(append(slices.Clone(value), value[0]))
			}
		case map[string]any:
			add(map[string]any{})
		}
	})
	return all
}

// eachValue visits all values inside of one, with the path that edits have.
func eachValue(value any, path []string, visit func([]string, any)) {
	visit(path, value)
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			eachValue(value[key], append(slices.Clone(path), strings.ReplaceAll(key, ".", "~")), visit)
		}
	case []any:
		for i := range value {
			eachValue(value[i], append(slices.Clone(path), strconv.Itoa(i)), visit)
		}
	}
}
