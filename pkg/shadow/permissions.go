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
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"

	"github.com/steppe-io/steppe/pkg/shadow/auth/node"
	"github.com/steppe-io/steppe/pkg/shadow/auth/rbac"
)

// publicPaths are open to all: probes and clients look there before they have, or
// without having, any permission.
var publicPaths = []string{"/healthz", "/healthz/*", "/livez", "/livez/*", "/readyz", "/readyz/*", "/version"}

// permissions is what callers may do.
type permissions struct {
	authorizer.Authorizer
	authorizer.RuleResolver

	graph  *node.Graph
	rbac   *rbac.Authorizer
	grants *rbac.EscalationGuard
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
	public, err := path.NewAuthorizer(publicPaths)
	if err != nil {
		return nil, err
	}
	masters := authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup)
	nodes, roles := node.NewAuthorizer(graph), rbac.NewAuthorizer(source)
	all := union.New(public, masters, nodes, roles)
	return &permissions{
		Authorizer:   all,
		RuleResolver: union.NewRuleResolvers(nodes, roles),
		graph:        graph,
		rbac:         roles,
		grants:       rbac.NewEscalationGuard(roles, all),
	}, nil
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
