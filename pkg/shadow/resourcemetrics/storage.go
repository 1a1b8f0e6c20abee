// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package resourcemetrics

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
)

// window is the longest time over which kubelets compute the rate of CPU usage.
const window = 30 * time.Second

// anyVersion is content with what the cache has.
const anyVersion = "0"

// Objects reads the nodes or pods that metrics are about. What it returns is not
// changed.
type Objects interface {
	Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error)
	List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error)
}

// Storage returns the resources of metrics.k8s.io/v1beta1, by their names.
func Storage(get GetFunc, nodes, pods Objects) map[string]rest.Storage {
	asked := newKubelets(get, clock.RealClock{})
	return map[string]rest.Storage{
		"nodes": &nodeMetrics{asked, nodes},
		"pods":  &podMetrics{asked, pods},
	}
}

// storage is what both resources are to be.
type storage interface {
	rest.Storage
	rest.Getter
	rest.Lister
	rest.Scoper
	rest.KindProvider
	rest.SingularNameProvider
}

var _, _ storage = &nodeMetrics{}, &podMetrics{}

// related are the options that list the objects which metrics are asked of.
// Selectors of fields are about the metrics.
func related(options *internalversion.ListOptions) *internalversion.ListOptions {
	related := &internalversion.ListOptions{ResourceVersion: anyVersion}
	if options != nil {
		related.LabelSelector = options.LabelSelector
	}
	return related
}

func selected(options *internalversion.ListOptions, namespace, name string) bool {
	if options == nil || options.FieldSelector == nil {
		return true
	}
	return options.FieldSelector.Matches(fields.Set{"metadata.name": name, "metadata.namespace": namespace})
}

// newMeta is that of metrics, which are made when they are asked for.
func newMeta(of *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: of.Name, Namespace: of.Namespace, Labels: of.Labels, CreationTimestamp: metav1.Now()}
}

// unanswered is what to say if the kubelet of a node did not answer.
func unanswered(node string, err error) error {
	return apierrors.NewServiceUnavailable(fmt.Sprintf("node %q gives no metrics: %v", node, err))
}

// unknown is what to say if a kubelet knows nothing of an object, or not yet.
func unknown(resource, name string) error {
	return apierrors.NewNotFound(metricsv1beta1.Resource(resource), name)
}

// table prints rows of a name, a usage and a window.
func table(meta metav1.ListMeta, rows []metav1.TableRow, options runtime.Object) *metav1.Table {
	t := &metav1.Table{ListMeta: meta, Rows: rows}
	if opts, ok := options.(*metav1.TableOptions); !ok || !opts.NoHeaders {
		t.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "Name of the resource"},
			{Name: "cpu", Type: "string", Format: "quantity"},
			{Name: "memory", Type: "string", Format: "quantity"},
			{Name: "Window", Type: "string", Format: "duration"},
		}
	}
	return t
}

func row(name string, used corev1.ResourceList, window metav1.Duration, obj runtime.Object) metav1.TableRow {
	return metav1.TableRow{
		Cells:  []any{name, used.Cpu().String(), used.Memory().String(), window.Duration.String()},
		Object: runtime.RawExtension{Object: obj},
	}
}
