// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/randfill"
)

func podList() *corev1.PodList {
	return &corev1.PodList{
		ListMeta: metav1.ListMeta{ResourceVersion: "42", Continue: "next", RemainingItemCount: ptr.To[int64](7)},
		Items: []corev1.Pod{
			{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b"}},
		},
	}
}

func convert(t *testing.T, columns Columns, obj runtime.Object, options runtime.Object) *metav1.Table {
	t.Helper()
	table, err := NewConvertor(columns).ConvertToTable(t.Context(), obj, options)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableOfListCanBeContinued(t *testing.T) {
	list := podList()
	table := convert(t, Pods, list, &metav1.TableOptions{})
	want := metav1.ListMeta{ResourceVersion: "42", Continue: "next", RemainingItemCount: ptr.To[int64](7)}
	if diff := cmp.Diff(want, table.ListMeta); diff != "" {
		t.Error(diff)
	}
	for i := range list.Items {
		if table.Rows[i].Object.Object != &list.Items[i] {
			t.Errorf("row %d is not about item %d", i, i)
		}
	}
}

func TestTableOfObjectHasItsResourceVersion(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", ResourceVersion: "7"}}
	table := convert(t, Pods, pod, nil)
	if table.ResourceVersion != "7" || len(table.Rows) != 1 || table.Rows[0].Object.Object != runtime.Object(pod) {
		t.Errorf("got %+v", table)
	}
}

func TestTableOfEmptyListHasHeadersAndNoRows(t *testing.T) {
	table := convert(t, Pods, &corev1.PodList{}, &metav1.TableOptions{})
	if len(table.ColumnDefinitions) != len(Pods.Definitions) || table.Rows == nil || len(table.Rows) != 0 {
		t.Errorf("got %+v", table)
	}
}

func TestHeadersCanBeLeftOut(t *testing.T) {
	var noOptions *metav1.TableOptions
	for name, c := range map[string]struct {
		options runtime.Object
		want    int
	}{
		"not asked":   {&metav1.TableOptions{}, len(Pods.Definitions)},
		"asked":       {&metav1.TableOptions{NoHeaders: true}, 0},
		"no options":  {nil, len(Pods.Definitions)},
		"nil options": {noOptions, len(Pods.Definitions)},
	} {
		t.Run(name, func(t *testing.T) {
			table := convert(t, Pods, podList(), c.options)
			if len(table.ColumnDefinitions) != c.want || len(table.Rows) != 2 {
				t.Errorf("got %d headers and %d rows, want %d and 2", len(table.ColumnDefinitions), len(table.Rows), c.want)
			}
		})
	}
}

func TestObjectsOfOtherTypesHaveNameAndTime(t *testing.T) {
	for name, columns := range map[string]Columns{"no columns": {}, "columns of pods": Pods} {
		t.Run(name, func(t *testing.T) {
			list := &corev1.LimitRangeList{Items: []corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}}
			table := convert(t, columns, list, &metav1.TableOptions{})
			if len(table.ColumnDefinitions) != 2 || table.ColumnDefinitions[1].Name != "Created At" || table.Rows[0].Cells[0] != "a" {
				t.Errorf("got %+v", table)
			}
		})
	}
}

func TestWhatHasNoNameIsNotAcceptable(t *testing.T) {
	_, err := NewConvertor(Pods).ConvertToTable(t.Context(), &metav1.APIVersions{}, nil)
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != http.StatusNotAcceptable {
		t.Errorf("got %v, want 406", err)
	}
}

// TestNoObjectIsTooOddToPrint prints objects with random content, and with
// little or nothing in them.
func TestNoObjectIsTooOddToPrint(t *testing.T) {
	const rounds = 50
	for _, r := range resources {
		if r.columns.row == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			seed := rand.Int64()
			for round := range int64(rounds) {
				list := r.list.DeepCopyObject()
				if err := meta.SetList(list, nil); err != nil {
					t.Fatal(err)
				}
				filler := randfill.NewWithSeed(seed+round).NilChance(float64(round)/rounds).NumElements(1, 4).MaxDepth(12)
				filler.Funcs(func(raw *runtime.RawExtension, _ randfill.Continue) { *raw = runtime.RawExtension{} }, chooseMetric)
				filler.Fill(list)
				before := list.DeepCopyObject()
				table := convert(t, r.columns, list, nil)
				if !reflect.DeepEqual(before, list) {
					t.Fatalf("seed %d: printing changed the objects: %s", seed+round, cmp.Diff(before, list))
				}
				for _, row := range table.Rows {
					checkCells(t, table, row)
				}
				table.DeepCopy() // panics for cells that are not JSON
			}
		})
	}
}

// chooseMetric fills in a type that decides which other fields are read.
func chooseMetric(t *autoscalingv2.MetricSourceType, c randfill.Continue) {
	types := []autoscalingv2.MetricSourceType{
		autoscalingv2.ResourceMetricSourceType, autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.PodsMetricSourceType,
		autoscalingv2.ObjectMetricSourceType, autoscalingv2.ExternalMetricSourceType, "",
	}
	*t = types[c.Intn(len(types))]
}

func checkCells(t *testing.T, table *metav1.Table, row metav1.TableRow) {
	t.Helper()
	if len(row.Cells) != len(table.ColumnDefinitions) {
		t.Fatalf("got %d cells for %d columns", len(row.Cells), len(table.ColumnDefinitions))
	}
	for i, cell := range row.Cells {
		switch cell.(type) {
		case string, int64, bool:
		default:
			t.Errorf("cell %s is a %T", table.ColumnDefinitions[i].Name, cell)
		}
	}
}

func TestColumnsAreDescribed(t *testing.T) {
	for _, r := range append([]printed{{name: "scales", columns: scales}}, resources...) {
		for _, column := range r.columns.Definitions {
			if column.Description == "" {
				t.Errorf("column %s of %s has no description", column.Name, r.name)
			}
		}
	}
}
