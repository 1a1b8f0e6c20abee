// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"context"
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Columns are what is shown of the objects of one resource.
type Columns struct {
	// Definitions are the headers. Those with a priority are shown by
	// `kubectl get -o wide` only, but are always sent.
	Definitions []metav1.TableColumnDefinition

	// row returns false for an object of another type.
	row func(runtime.Object) (metav1.TableRow, bool)
	// compare orders the rows of a list; nil keeps the list's order.
	compare func(a, b runtime.Object) int
}

// New returns columns of objects of type T. The function returns a cell for
// each definition: a string, int64 or bool.
func New[T runtime.Object](definitions []metav1.TableColumnDefinition, cells func(T) []any) Columns {
	return newWithConditions(definitions, func(obj T) ([]any, []metav1.TableRowCondition) {
		return cells(obj), nil
	})
}

// newWithConditions is New for objects whose rows have conditions.
func newWithConditions[T runtime.Object](definitions []metav1.TableColumnDefinition, cells func(T) ([]any, []metav1.TableRowCondition)) Columns {
	return Columns{
		Definitions: definitions,
		row: func(obj runtime.Object) (metav1.TableRow, bool) {
			typed, ok := obj.(T)
			if !ok {
				return metav1.TableRow{}, false
			}
			row := metav1.TableRow{Object: runtime.RawExtension{Object: obj}}
			row.Cells, row.Conditions = cells(typed)
			return row, true
		},
	}
}

// sorted returns the columns with the rows of lists in another order.
func sorted[T runtime.Object](columns Columns, compare func(a, b T) int) Columns {
	columns.compare = func(a, b runtime.Object) int {
		return compare(a.(T), b.(T))
	}
	return columns
}

// NewConvertor prints objects and lists with the columns, and Scale objects with
// columns of their own, since a convertor serves the subresources as well. What
// is neither, and everything if the columns are zero, is printed with name and
// time of creation.
func NewConvertor(columns Columns) rest.TableConvertor {
	return convertor{columns: columns, others: rest.NewDefaultTableConvertor(schema.GroupResource{})}
}

type convertor struct {
	columns Columns
	others  rest.TableConvertor
}

// ConvertToTable prints one object or a list.
func (c convertor) ConvertToTable(ctx context.Context, obj, tableOptions runtime.Object) (*metav1.Table, error) {
	columns := c.columns
	if _, ok := obj.(*autoscalingv1.Scale); ok {
		columns = scales
	}
	rows, ok := columns.rows(obj)
	if !ok {
		return c.others.ConvertToTable(ctx, obj, tableOptions)
	}
	table := &metav1.Table{Rows: rows}
	if options, ok := tableOptions.(*metav1.TableOptions); !ok || options == nil || !options.NoHeaders {
		table.ColumnDefinitions = columns.Definitions
	}
	if m, err := meta.ListAccessor(obj); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
		table.Continue = m.GetContinue()
		table.RemainingItemCount = m.GetRemainingItemCount()
	} else if m, err := meta.CommonAccessor(obj); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
	}
	return table, nil
}

// rows returns false if the columns are not made for the object.
func (c Columns) rows(obj runtime.Object) ([]metav1.TableRow, bool) {
	if c.row == nil {
		return nil, false
	}
	if !meta.IsListType(obj) {
		row, ok := c.row(obj)
		return []metav1.TableRow{row}, ok
	}
	rows := make([]metav1.TableRow, 0, meta.LenList(obj))
	ok := true
	err := meta.EachListItem(obj, func(item runtime.Object) error {
		row, known := c.row(item)
		ok = ok && known
		rows = append(rows, row)
		return nil
	})
	if err != nil || !ok {
		return nil, false
	}
	if c.compare != nil {
		slices.SortStableFunc(rows, func(a, b metav1.TableRow) int {
			return c.compare(a.Object.Object, b.Object.Object)
		})
	}
	return rows, true
}
