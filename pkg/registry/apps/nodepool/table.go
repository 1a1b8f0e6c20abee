// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package nodepool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// column is one column of `kubectl get nodepools`.
type column struct {
	metav1.TableColumnDefinition
	cell func(*apps.NodePool) any
	// v1beta2 says that older versions lack the column.
	v1beta2 bool
}

var columns = []column{
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
		cell:                  func(pool *apps.NodePool) any { return pool.Name },
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "Type", Type: "string", Description: "The type of the node pool"},
		cell:                  func(pool *apps.NodePool) any { return string(pool.Spec.Type) },
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "ReadyNodes", Type: "integer", Description: "How many nodes of the pool are ready"},
		cell:                  func(pool *apps.NodePool) any { return int64(pool.Status.ReadyNodeNum) },
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "NotReadyNodes", Type: "integer", Description: "How many nodes of the pool are not ready"},
		cell:                  func(pool *apps.NodePool) any { return int64(pool.Status.UnreadyNodeNum) },
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "LeaderNodes", Type: "integer", Description: "How many nodes lead the pool"},
		cell:                  func(pool *apps.NodePool) any { return int64(pool.Status.LeaderNum) },
		v1beta2:               true,
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "LeaderElectionAge", Type: "date", Description: "How long ago the leaders changed"},
		cell:                  func(pool *apps.NodePool) any { return age(pool.Status.LeaderLastElectedTime) },
		v1beta2:               true,
	},
	{
		TableColumnDefinition: metav1.TableColumnDefinition{Name: "Age", Type: "date", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
		cell:                  func(pool *apps.NodePool) any { return age(pool.CreationTimestamp) },
	},
}

// tableConvertor prints NodePools as OpenYurt's columns have it.
type tableConvertor struct{}

// ConvertToTable prints one NodePool or a list of them.
func (tableConvertor) ConvertToTable(ctx context.Context, obj, tableOptions runtime.Object) (*metav1.Table, error) {
	all := requestVersion(ctx) == v1beta2.SchemeGroupVersion.Version
	table := &metav1.Table{}
	if options, ok := tableOptions.(*metav1.TableOptions); !ok || !options.NoHeaders {
		for _, c := range columns {
			if all || !c.v1beta2 {
				table.ColumnDefinitions = append(table.ColumnDefinitions, c.TableColumnDefinition)
			}
		}
	}
	if m, err := meta.ListAccessor(obj); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
		table.Continue = m.GetContinue()
		table.RemainingItemCount = m.GetRemainingItemCount()
	} else if m, err := meta.CommonAccessor(obj); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
	}
	rows, err := metatable.MetaToTableRow(obj, func(obj runtime.Object, _ metav1.Object, _, _ string) ([]any, error) {
		pool := obj.(*apps.NodePool)
		cells := make([]any, 0, len(columns))
		for _, c := range columns {
			if all || !c.v1beta2 {
				cells = append(cells, c.cell(pool))
			}
		}
		return cells, nil
	})
	table.Rows = rows
	return table, err
}

// age is empty rather than unknown for what has not happened.
func age(t metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(time.Since(t.Time))
}
