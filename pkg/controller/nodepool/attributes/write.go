// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package attributes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/steppe-io/steppe/apis/apps"
)

// nodePatch is the body of both kinds of patch. A nil value in a merge patch
// removes the key.
type nodePatch struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        patchMeta  `json:"metadata"`
	Spec            *patchSpec `json:"spec,omitempty"`
}

type patchMeta struct {
	Name            string             `json:"name,omitempty"`
	UID             types.UID          `json:"uid"`
	ResourceVersion string             `json:"resourceVersion"`
	Labels          map[string]*string `json:"labels,omitempty"`
	Annotations     map[string]*string `json:"annotations,omitempty"`
}

type patchSpec struct {
	Taints []corev1.Taint `json:"taints"`
}

// write carries out a plan, in the order that the package comment explains.
// When the plan releases keys, the node must be a live one.
func (r *Reconciler) write(ctx context.Context, node *corev1.Node, p *plan) error {
	var err error
	if early := p.early(); early != "" {
		if node, err = r.apply(ctx, node, p, early); err != nil {
			return fmt.Errorf("record the taints to come: %w", err)
		}
	}
	if body, needed := p.mergePatch(node); needed {
		if node, err = r.patch(ctx, node, types.MergePatchType, body); err != nil {
			return fmt.Errorf("patch taints: %w", err)
		}
	}
	record := p.text()
	if p.applied(node, record) {
		return nil
	}
	if _, err = r.apply(ctx, node, p, record); err != nil {
		return fmt.Errorf("apply labels and annotations: %w", err)
	}
	return nil
}

// apply makes the plan's labels and annotations, and the record given, this
// controller's only ones on the node. Force is safe, since the plan does not
// contain what is somebody else's and the resourceVersion is the plan's.
func (r *Reconciler) apply(ctx context.Context, node *corev1.Node, p *plan, record string) (*corev1.Node, error) {
	return r.patch(ctx, node, types.ApplyPatchType, nodePatch{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		Metadata: patchMeta{
			Name:        node.Name,
			Labels:      pointers(p.own.Labels),
			Annotations: pointers(p.annotations(record)),
		},
	}, client.ForceOwnership)
}

// patch sends a patch for this very node in this very state, and returns the
// node as it is afterwards.
func (r *Reconciler) patch(ctx context.Context, node *corev1.Node, how types.PatchType, body nodePatch, opts ...client.PatchOption) (*corev1.Node, error) {
	body.Metadata.UID = node.UID
	body.Metadata.ResourceVersion = node.ResourceVersion
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	result := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}}
	opts = append(opts, client.FieldOwner(FieldManager))
	if err := r.client.Patch(ctx, result, client.RawPatch(how, data), opts...); err != nil {
		if refuses(err) {
			r.report.writeRefused(node, err)
		}
		return nil, err
	}
	nodeWrites.WithLabelValues(writeKinds[how]).Inc()
	r.writes.wrote(result)
	return result, nil
}

// refuses says whether the server, or a webhook, has understood a write and does
// not accept it, for example because the annotations would be too big or a right
// is missing. Asking again helps only when something else has changed; so this
// is worth telling, unlike a conflict or a server that is busy or away.
func refuses(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; code {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
}

// mergePatch is what apply cannot do: taints, and released keys that other
// owners would keep on the node.
func (p *plan) mergePatch(node *corev1.Node) (body nodePatch, needed bool) {
	for _, key := range p.released.labels {
		if node.Labels[key] == p.before.Labels[key] && ownersOf(node, labelsOf, key).stays() {
			body.Metadata.Labels = removal(body.Metadata.Labels, key)
		}
	}
	for _, key := range p.released.annotations {
		value, present := node.Annotations[key]
		if present && (value == p.before.Annotations[key] || key == apps.AnnotationPreviousAttributes) &&
			ownersOf(node, annotationsOf, key).stays() {
			body.Metadata.Annotations = removal(body.Metadata.Annotations, key)
		}
	}
	if p.retaint {
		body.Spec = &patchSpec{Taints: p.taints}
	}
	return body, body.Spec != nil || body.Metadata.Labels != nil || body.Metadata.Annotations != nil
}

func removal(m map[string]*string, key string) map[string]*string {
	if m == nil {
		m = map[string]*string{}
	}
	m[key] = nil
	return m
}

func pointers(m map[string]string) map[string]*string {
	all := make(map[string]*string, len(m))
	for key, value := range m {
		all[key] = &value
	}
	return all
}
