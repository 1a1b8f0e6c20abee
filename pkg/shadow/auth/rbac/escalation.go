// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/component-helpers/auth/rbac/validation"
	"k8s.io/klog/v2"
)

var (
	roles               = rbacv1.Resource("roles")
	clusterRoles        = rbacv1.Resource("clusterroles")
	roleBindings        = rbacv1.Resource("rolebindings")
	clusterRoleBindings = rbacv1.Resource("clusterrolebindings")
)

// everything is what a ClusterRole with an aggregation rule may come to grant.
var everything = []rbacv1.PolicyRule{
	{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}},
	{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}},
}

// EscalationGuard refuses roles and bindings that would grant more than their
// writer holds, as kube-apiserver does. Exempt are members of system:masters, and
// who is allowed to escalate a role, or to bind the role that a binding refers to.
//
// The writer is the user in the context. A write without one is refused, so what
// mirrors objects has to write beneath the guard or as a member of system:masters.
type EscalationGuard struct {
	held       *Authorizer
	authorizer authorizer.Authorizer
}

// NewEscalationGuard returns a guard. held knows the rules that users have;
// authorizer, the one that requests are authorized with, is asked about the verbs
// escalate and bind.
func NewEscalationGuard(held *Authorizer, authorizer authorizer.Authorizer) *EscalationGuard {
	return &EscalationGuard{held: held, authorizer: authorizer}
}

// Check checks the write of a Role, ClusterRole, RoleBinding or ClusterRoleBinding;
// others pass. For a create old is nil. The errors are API errors. It is made to be
// called by the BeginCreate and BeginUpdate of a registry's Store, which see the
// object before it is validated and without what a client cannot write.
func (g *EscalationGuard) Check(ctx context.Context, object, old runtime.Object) error {
	if old != nil && changesOnlyOwnership(object, old) {
		return nil
	}
	switch o := object.(type) {
	case *rbacv1.Role:
		return g.checkRole(ctx, roles, o.Name, o.Rules, false)
	case *rbacv1.ClusterRole:
		oldRole, _ := old.(*rbacv1.ClusterRole)
		return g.checkRole(ctx, clusterRoles, o.Name, o.Rules, aggregates(o) || aggregates(oldRole))
	case *rbacv1.RoleBinding:
		namespace := request.NamespaceValue(ctx)
		if namespace == "" {
			return apierrors.NewBadRequest("a namespace is required")
		}
		return g.checkBinding(ctx, roleBindings, o.Name, o.RoleRef, namespace)
	case *rbacv1.ClusterRoleBinding:
		return g.checkBinding(ctx, clusterRoleBindings, o.Name, o.RoleRef, metav1.NamespaceNone)
	default:
		return nil
	}
}

// CheckRole checks whether the user of the context may write a role with these
// rules, in the namespace of the context if that has one. The request in the
// context says which role. The error is an API error.
func (g *EscalationGuard) CheckRole(ctx context.Context, rules []rbacv1.PolicyRule) error {
	resource, name := clusterRoles, ""
	if request.NamespaceValue(ctx) != "" {
		resource = roles
	}
	if info, ok := request.RequestInfoFrom(ctx); ok {
		name = info.Name
	}
	return g.checkRole(ctx, resource, name, rules, false)
}

// CheckBinding checks whether the user of the context may write a binding to this
// role, in a namespace or, if it is empty, for the whole cluster. The error is an
// API error; if the role does not exist and the user may not bind it, a NotFound.
func (g *EscalationGuard) CheckBinding(ctx context.Context, ref rbacv1.RoleRef, namespace string) error {
	resource, name := clusterRoleBindings, ""
	if namespace != "" {
		resource = roleBindings
	}
	if info, ok := request.RequestInfoFrom(ctx); ok {
		name = info.Name
	}
	return g.checkBinding(ctx, resource, name, ref, namespace)
}

func (g *EscalationGuard) checkRole(ctx context.Context, resource schema.GroupResource, name string, rules []rbacv1.PolicyRule, aggregates bool) error {
	u, ok := request.UserFrom(ctx)
	if !ok {
		return apierrors.NewForbidden(resource, name, errors.New("who writes it is not known"))
	}
	if isMaster(u) || g.mayEscalate(ctx, u) {
		return nil
	}
	namespace := request.NamespaceValue(ctx)
	if err := g.checkHeld(u, namespace, rules); err != nil {
		return apierrors.NewForbidden(resource, name, err)
	}
	if aggregates && g.checkHeld(u, namespace, everything) != nil {
		return apierrors.NewForbidden(resource, name, errors.New("only who may do everything may use or change an aggregationRule"))
	}
	return nil
}

func (g *EscalationGuard) checkBinding(ctx context.Context, resource schema.GroupResource, name string, ref rbacv1.RoleRef, namespace string) error {
	u, ok := request.UserFrom(ctx)
	if !ok {
		return apierrors.NewForbidden(resource, name, errors.New("who writes it is not known"))
	}
	if isMaster(u) || g.mayBind(ctx, u, ref, namespace) {
		return nil
	}
	rules, err := g.held.source.rulesOf(ref, namespace)
	if err != nil {
		return err
	}
	if err := g.checkHeld(u, namespace, rules); err != nil {
		return apierrors.NewForbidden(resource, name, err)
	}
	return nil
}

// checkHeld returns an error if a user lacks any of the rules in a namespace.
func (g *EscalationGuard) checkHeld(u user.Info, namespace string, rules []rbacv1.PolicyRule) error {
	held, resolveErr := g.held.policyRules(u, namespace)
	covered, missing := validation.Covers(held, rules)
	if covered {
		return nil
	}
	err := fmt.Errorf("user %q (groups %q) may not grant what it may not do itself: %s", u.GetName(), u.GetGroups(), describeRules(missing))
	if resolveErr != nil {
		err = fmt.Errorf("%w; not all of its roles are known: %w", err, resolveErr)
	}
	return err
}

// mayEscalate tells whether a user may escalate the role that is being written. On
// create the request has no name yet, so a right limited to names does not help.
func (g *EscalationGuard) mayEscalate(ctx context.Context, u user.Info) bool {
	info, ok := request.RequestInfoFrom(ctx)
	if !ok || !info.IsResourceRequest {
		return false
	}
	if r := (schema.GroupResource{Group: info.APIGroup, Resource: info.Resource}); r != roles && r != clusterRoles {
		return false
	}
	return g.allowed(ctx, authorizer.AttributesRecord{
		User: u, Verb: "escalate", APIGroup: info.APIGroup, APIVersion: "*", Resource: info.Resource,
		Namespace: info.Namespace, Name: info.Name, ResourceRequest: true,
	})
}

// mayBind tells whether a user may bind a role to others in a namespace.
func (g *EscalationGuard) mayBind(ctx context.Context, u user.Info, ref rbacv1.RoleRef, namespace string) bool {
	var resource string
	switch ref.Kind {
	case "Role":
		resource = roles.Resource
	case "ClusterRole":
		resource = clusterRoles.Resource
	default:
		return false
	}
	return g.allowed(ctx, authorizer.AttributesRecord{
		User: u, Verb: "bind", APIGroup: ref.APIGroup, APIVersion: "*", Resource: resource,
		Namespace: namespace, Name: ref.Name, ResourceRequest: true,
	})
}

func (g *EscalationGuard) allowed(ctx context.Context, attributes authorizer.AttributesRecord) bool {
	decision, _, err := g.authorizer.Authorize(ctx, attributes)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Could not find out whether a role may be granted", "user", attributes.User.GetName(),
			"verb", attributes.Verb, "resource", attributes.Resource, "name", attributes.Name, "namespace", attributes.Namespace)
	}
	return decision == authorizer.DecisionAllow
}

func isMaster(u user.Info) bool { return slices.Contains(u.GetGroups(), user.SystemPrivilegedGroup) }

func aggregates(role *rbacv1.ClusterRole) bool {
	return role != nil && role.AggregationRule != nil && len(role.AggregationRule.ClusterRoleSelectors) > 0
}

// changesOnlyOwnership tells whether an update leaves everything but owners and
// finalizers alone. The garbage collector must be able to make these without
// holding the role's rights.
func changesOnlyOwnership(object, old runtime.Object) bool {
	changed, err := meta.Accessor(object.DeepCopyObject())
	if err != nil {
		return false
	}
	original, err := meta.Accessor(old)
	if err != nil {
		return false
	}
	changed.SetOwnerReferences(original.GetOwnerReferences())
	changed.SetFinalizers(original.GetFinalizers())
	changed.SetManagedFields(original.GetManagedFields())
	return equality.Semantic.DeepEqual(changed, original)
}
