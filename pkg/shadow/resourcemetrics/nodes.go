// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// nodeMetrics serves what nodes use.
type nodeMetrics struct {
	kubelets *kubelets
	nodes    Objects
}

func (*nodeMetrics) New() runtime.Object     { return &metricsv1beta1.NodeMetrics{} }
func (*nodeMetrics) NewList() runtime.Object { return &metricsv1beta1.NodeMetricsList{} }
func (*nodeMetrics) Destroy()                {}
func (*nodeMetrics) NamespaceScoped() bool   { return false }
func (*nodeMetrics) Kind() string            { return "NodeMetrics" }

// GetSingularName is empty, as the name is that of core's nodes.
func (*nodeMetrics) GetSingularName() string { return "" }

func (r *nodeMetrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.nodes.Get(ctx, name, &metav1.GetOptions{ResourceVersion: anyVersion})
	if err != nil {
		return nil, err
	}
	node, ok := obj.(*corev1.Node)
	if !ok {
		return nil, fmt.Errorf("not a node: %T", obj)
	}
	f, err := r.kubelets.of(ctx, name)
	if err != nil {
		return nil, unanswered(name, err)
	}
	if f.node == nil {
		return nil, unknown("nodes", name)
	}
	return newNodeMetrics(node, f.node), nil
}

func (r *nodeMetrics) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	obj, err := r.nodes.List(ctx, related(options))
	if err != nil {
		return nil, err
	}
	nodes, ok := obj.(*corev1.NodeList)
	if !ok {
		return nil, fmt.Errorf("not a list of nodes: %T", obj)
	}
	var wanted []*corev1.Node
	var names []string
	for i := range nodes.Items {
		if node := &nodes.Items[i]; selected(options, "", node.Name) {
			wanted = append(wanted, node)
			names = append(names, node.Name)
		}
	}
	found, err := r.kubelets.all(ctx, names)
	if err != nil {
		return nil, err
	}
	list := &metricsv1beta1.NodeMetricsList{Items: []metricsv1beta1.NodeMetrics{}}
	for _, node := range wanted {
		if f := found[node.Name]; f != nil && f.node != nil {
			list.Items = append(list.Items, *newNodeMetrics(node, f.node))
		}
	}
	return list, nil
}

func newNodeMetrics(node *corev1.Node, used *usage) *metricsv1beta1.NodeMetrics {
	return &metricsv1beta1.NodeMetrics{
		ObjectMeta: newMeta(&node.ObjectMeta),
		Timestamp:  metav1.NewTime(used.at),
		Window:     metav1.Duration{Duration: window},
		Usage:      used.list(),
	}
}

func (r *nodeMetrics) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	list := &metricsv1beta1.NodeMetricsList{}
	switch obj := obj.(type) {
	case *metricsv1beta1.NodeMetrics:
		list.Items = []metricsv1beta1.NodeMetrics{*obj}
	case *metricsv1beta1.NodeMetricsList:
		list = obj
	default:
		return nil, fmt.Errorf("not metrics of nodes: %T", obj)
	}
	var rows []metav1.TableRow
	for i := range list.Items {
		m := &list.Items[i]
		rows = append(rows, row(m.Name, m.Usage, m.Window, m))
	}
	return table(list.ListMeta, rows, options), nil
}
