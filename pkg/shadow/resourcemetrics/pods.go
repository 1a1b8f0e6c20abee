// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// podMetrics serves what the containers of pods use. A kubelet is believed about the
// pods of its node alone.
type podMetrics struct {
	kubelets *kubelets
	pods     Objects
}

func (*podMetrics) New() runtime.Object     { return &metricsv1beta1.PodMetrics{} }
func (*podMetrics) NewList() runtime.Object { return &metricsv1beta1.PodMetricsList{} }
func (*podMetrics) Destroy()                {}
func (*podMetrics) NamespaceScoped() bool   { return true }
func (*podMetrics) Kind() string            { return "PodMetrics" }

// GetSingularName is empty, as the name is that of core's pods.
func (*podMetrics) GetSingularName() string { return "" }

func (r *podMetrics) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	obj, err := r.pods.Get(ctx, name, &metav1.GetOptions{ResourceVersion: anyVersion})
	if err != nil {
		return nil, err
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("not a pod: %T", obj)
	}
	if pod.Spec.NodeName == "" {
		return nil, unknown("pods", name)
	}
	f, err := r.kubelets.of(ctx, pod.Spec.NodeName)
	if err != nil {
		return nil, unanswered(pod.Spec.NodeName, err)
	}
	containers := f.of(pod)
	if containers == nil {
		return nil, unknown("pods", name)
	}
	return newPodMetrics(pod, containers), nil
}

func (r *podMetrics) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	obj, err := r.pods.List(ctx, related(options))
	if err != nil {
		return nil, err
	}
	pods, ok := obj.(*corev1.PodList)
	if !ok {
		return nil, fmt.Errorf("not a list of pods: %T", obj)
	}
	var wanted []*corev1.Pod
	var nodes []string
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.Spec.NodeName != "" && selected(options, pod.Namespace, pod.Name) {
			wanted = append(wanted, pod)
			nodes = append(nodes, pod.Spec.NodeName)
		}
	}
	slices.Sort(nodes)
	found, err := r.kubelets.all(ctx, slices.Compact(nodes))
	if err != nil {
		return nil, err
	}
	list := &metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{}}
	for _, pod := range wanted {
		f := found[pod.Spec.NodeName]
		if f == nil {
			continue
		}
		if containers := f.of(pod); containers != nil {
			list.Items = append(list.Items, *newPodMetrics(pod, containers))
		}
	}
	return list, nil
}

// of returns what the containers of a pod use, or nil.
func (f *figures) of(pod *corev1.Pod) []containerUsage {
	return f.pods[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}]
}

// newPodMetrics are of the time of the oldest figure in them.
func newPodMetrics(pod *corev1.Pod, containers []containerUsage) *metricsv1beta1.PodMetrics {
	at := containers[0].at
	m := &metricsv1beta1.PodMetrics{ObjectMeta: newMeta(&pod.ObjectMeta), Window: metav1.Duration{Duration: window}}
	for _, c := range containers {
		if c.at.Before(at) {
			at = c.at
		}
		m.Containers = append(m.Containers, metricsv1beta1.ContainerMetrics{Name: c.name, Usage: c.list()})
	}
	m.Timestamp = metav1.NewTime(at)
	return m
}

func (r *podMetrics) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	list := &metricsv1beta1.PodMetricsList{}
	switch obj := obj.(type) {
	case *metricsv1beta1.PodMetrics:
		list.Items = []metricsv1beta1.PodMetrics{*obj}
	case *metricsv1beta1.PodMetricsList:
		list = obj
	default:
		return nil, fmt.Errorf("not metrics of pods: %T", obj)
	}
	var rows []metav1.TableRow
	for i := range list.Items {
		m := &list.Items[i]
		rows = append(rows, row(m.Name, sum(m.Containers), m.Window, m))
	}
	return table(list.ListMeta, rows, options), nil
}

// sum is what a pod uses.
func sum(containers []metricsv1beta1.ContainerMetrics) corev1.ResourceList {
	var total usage
	for _, c := range containers {
		total.cpu += c.Usage.Cpu().ScaledValue(-9)
		total.memory += c.Usage.Memory().Value()
	}
	return total.list()
}
