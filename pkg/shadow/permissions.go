// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"

	"github.com/steppe-io/steppe/pkg/shadow/auth/node"
	"github.com/steppe-io/steppe/pkg/shadow/auth/rbac"
)

// permissions is what callers may do.
type permissions struct {
	graph *node.Graph
	nodes *node.Authorizer
	rbac  *rbac.Authorizer
}

func newPermissions(informers informers.SharedInformerFactory) (*permissions, error) {
	graph, err := node.NewGraph(node.Informers{
		Pods:              informers.Core().V1().Pods().Informer(),
		PersistentVolumes: informers.Core().V1().PersistentVolumes().Informer(),
		VolumeAttachments: informers.Storage().V1().VolumeAttachments().Informer(),
		ResourceSlices:    informers.Resource().V1().ResourceSlices().Informer(),
	})
	if err != nil {
		return nil, err
	}
	source, err := rbac.NewSource(informers.Rbac().V1())
	if err != nil {
		return nil, err
	}
	return &permissions{graph, node.NewAuthorizer(graph), rbac.NewAuthorizer(source)}, nil
}

// wait keeps the server from being ready before it knows who may do what: until
// then it refuses what it would permit.
func (p *permissions) wait(ctx genericapiserver.PostStartHookContext) error {
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(context.Context) (bool, error) {
		return p.graph.HasSynced() && p.rbac.HasSynced(), nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("learning who may do what: %w", err)
	}
	return nil
}

// strip keeps of objects what the server's own informers are asked for.
func strip(obj any) (any, error) {
	if _, ok := obj.(*corev1.Pod); ok {
		return node.StripPod(obj)
	}
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
