// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

const (
	// benchGroup may do what is measured, by a role.
	benchGroup = "bench"

	// loaders is how many clients load a side.
	loaders = 16
)

// prepare gives a side what a cluster has anyway: namespaces, accounts, roles. The
// roles of the real side come with it and are copied to the other.
func prepare(ctx context.Context, sides []*side, s size) error {
	admins := make([]*kubernetes.Clientset, len(sides))
	for i, side := range sides {
		var err error
		if admins[i], err = side.client("kubernetes-admin", "system:masters"); err != nil {
			return err
		}
	}
	roles, err := readRoles(ctx, admins[len(admins)-1])
	if err != nil {
		return err
	}
	for i, admin := range admins {
		if err := roles.create(ctx, admin); err != nil {
			return fmt.Errorf("%s: %w", sides[i], err)
		}
		if err := prepareNamespaces(ctx, admin, s); err != nil {
			return fmt.Errorf("%s: %w", sides[i], err)
		}
	}
	return nil
}

// roles are who may do what.
type roles struct {
	roles    []rbacv1.ClusterRole
	bindings []rbacv1.ClusterRoleBinding
}

func readRoles(ctx context.Context, client kubernetes.Interface) (*roles, error) {
	have, err := client.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	bindings, err := client.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	r := &roles{have.Items, bindings.Items}
	r.roles = append(r.roles, rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: benchGroup},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"nodes", "nodes/status", "pods", "pods/status", "configmaps", "secrets", "services"}, Verbs: []string{"*"}},
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"*"}},
			{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"csidrivers"}, Verbs: []string{"*"}},
			{APIGroups: []string{"node.k8s.io"}, Resources: []string{"runtimeclasses"}, Verbs: []string{"*"}},
		},
	})
	r.bindings = append(r.bindings, rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: benchGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: benchGroup},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: benchGroup}},
	})
	return r, nil
}

func (r *roles) create(ctx context.Context, client kubernetes.Interface) error {
	for _, role := range r.roles {
		role.ResourceVersion, role.UID = "", ""
		if _, err := client.RbacV1().ClusterRoles().Create(ctx, &role, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	for _, binding := range r.bindings {
		binding.ResourceVersion, binding.UID = "", ""
		if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func prepareNamespaces(ctx context.Context, client kubernetes.Interface, s size) error {
	names := []string{metav1.NamespaceDefault, metav1.NamespaceSystem, leaseNamespace}
	for i := range s.namespaces {
		names = append(names, s.ns(i))
	}
	for _, name := range names {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		if _, err := client.CoreV1().ServiceAccounts(name).Create(ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// step is one kind of objects to load.
type step struct {
	kind   string
	count  int
	create func(ctx context.Context, client kubernetes.Interface, i int) error
}

func (s size) steps() []step {
	return []step{
		{"nodes", s.nodes, func(ctx context.Context, client kubernetes.Interface, i int) error {
			_, err := client.CoreV1().Nodes().Create(ctx, newNode(i), metav1.CreateOptions{})
			return err
		}},
		{"leases", s.leases, func(ctx context.Context, client kubernetes.Interface, i int) error {
			_, err := client.CoordinationV1().Leases(leaseNamespace).Create(ctx, newLease(i), metav1.CreateOptions{})
			return err
		}},
		{"configs", s.nodes * s.used, func(ctx context.Context, client kubernetes.Interface, i int) error {
			node := i / s.used
			meta := metav1.ObjectMeta{Name: usedName(node, i%s.used), Namespace: s.ns(node)}
			if _, err := client.CoreV1().ConfigMaps(meta.Namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"config.yaml": fmt.Sprintf("%01000d", i)}}, metav1.CreateOptions{}); err != nil {
				return err
			}
			_, err := client.CoreV1().Secrets(meta.Namespace).Create(ctx, &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"password": fmt.Sprintf("%0200d", i)}}, metav1.CreateOptions{})
			return err
		}},
		{"pods", s.pods, func(ctx context.Context, client kubernetes.Interface, i int) error {
			pod, err := client.CoreV1().Pods(s.nsOf(i)).Create(ctx, s.newPod(i), metav1.CreateOptions{})
			if err != nil {
				return err
			}
			runs(pod, i)
			_, err = client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
			return err
		}},
		{"slices", s.slices, func(ctx context.Context, client kubernetes.Interface, i int) error {
			_, err := client.DiscoveryV1().EndpointSlices(s.ns(i)).Create(ctx, s.newSlice(i), metav1.CreateOptions{})
			return err
		}},
	}
}

// load fills the sides, kind by kind in turn, and says how many objects a second
// each took.
func load(ctx context.Context, sides []*side, s size) (figures, error) {
	if err := prepare(ctx, sides, s); err != nil {
		return nil, err
	}
	figures := figures{}
	for _, step := range s.steps() {
		for _, side := range sides {
			clients, err := side.clients(loaders)
			if err != nil {
				return nil, err
			}
			began := time.Now()
			if err := each(ctx, step.count, clients, func(ctx context.Context, client kubernetes.Interface, i int) error {
				// A side that has just learned of the roles may not know them yet.
				return retry.OnError(retry.DefaultBackoff, apierrors.IsForbidden, func() error { return step.create(ctx, client, i) })
			}); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", side, step.kind, err)
			}
			if step.count > 0 {
				figures[side.name+"-"+step.kind+"-per-s"] = float64(step.count) / time.Since(began).Seconds()
			}
		}
	}
	return figures, nil
}

// each does something count times, by all clients at once, until one fails.
func each(ctx context.Context, count int, clients []*kubernetes.Clientset, do func(ctx context.Context, client kubernetes.Interface, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for _, client := range clients {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count || ctx.Err() != nil {
					return
				}
				if err := do(ctx, client, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
