// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/shadow/auth/rbac"
)

// errNotSynced is returned rather than no opinion while pods may be missing.
var errNotSynced = errors.New("the pods of this cluster are still being loaded, try again")

// Authorizer allows kubelets what their nodes need. It never denies: it has no
// opinion on other users and on the rest, so RBAC may allow more. It is safe for
// concurrent use.
type Authorizer struct {
	graph *Graph
}

var (
	_ authorizer.Authorizer   = (*Authorizer)(nil)
	_ authorizer.RuleResolver = (*Authorizer)(nil)
)

// NewAuthorizer returns an authorizer that knows from a graph what nodes need.
func NewAuthorizer(graph *Graph) *Authorizer {
	return &Authorizer{graph: graph}
}

// RulesFor implements authorizer.RuleResolver. What a kubelet may do cannot be
// listed as rules; it gets an incomplete answer, others an empty one.
func (a *Authorizer) RulesFor(_ context.Context, u user.Info, _ string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	if _, isKubelet := identify(u); isKubelet {
		return nil, nil, true, errors.New("what a kubelet may do depends on its pods and cannot be listed")
	}
	return nil, nil, false, nil
}

// Authorize implements authorizer.Authorizer.
func (a *Authorizer) Authorize(ctx context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	node, isKubelet := identify(request.GetUser())
	if !isKubelet {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if node == "" {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("unknown node for user %q", request.GetUser().GetName()), nil
	}
	err := a.decide(node, request)
	if err == nil {
		return authorizer.DecisionAllow, "", nil
	}
	klog.FromContext(ctx).V(4).Info("Did not allow a request of a kubelet", "node", node, "verb", request.GetVerb(),
		"apiGroup", request.GetAPIGroup(), "resource", request.GetResource(), "subresource", request.GetSubresource(),
		"namespace", request.GetNamespace(), "name", request.GetName(), "path", request.GetPath(), "reason", err)
	if errors.Is(err, errNotSynced) {
		return authorizer.DecisionNoOpinion, "", err
	}
	return authorizer.DecisionNoOpinion, err.Error(), nil
}

// errNoRule is the reason that needs no words.
var errNoRule = errors.New("")

// decide returns why a request of a node's kubelet is not allowed, or nil.
func (a *Authorizer) decide(node string, request authorizer.Attributes) error {
	if !request.IsResourceRequest() {
		return errNoRule
	}
	switch (schema.GroupResource{Group: request.GetAPIGroup(), Resource: request.GetResource()}) {
	case secrets:
		return a.readMentioned(node, secret, request)
	case configMaps:
		return a.readMentioned(node, configMap, request)
	case serviceAccounts:
		return a.serviceAccount(node, request)
	case volumeClaims:
		return a.claim(node, request)
	case resourceClaims:
		return a.get(node, request, func() bool {
			return a.graph.needs(node, object{resourceClaim, request.GetNamespace(), request.GetName()})
		})
	case volumes:
		return a.get(node, request, func() bool { return clusterScoped(request) && a.graph.needsVolume(node, request.GetName()) })
	case attachments:
		return a.get(node, request, func() bool { return clusterScoped(request) && a.graph.hasAttachment(node, request.GetName()) })
	case pods:
		return a.pod(node, request)
	case nodes:
		return ownNode(node, request)
	case leases:
		return ownLease(node, request)
	case csiNodes:
		return ownCSINode(node, request)
	case resourceSlices:
		return a.slice(node, request)
	case podCertificateRequests:
		return errNoRule // behind a gate that is off in 1.36
	}
	for i := range fixedRules {
		if rbac.RuleAllows(request, &fixedRules[i]) {
			return nil
		}
	}
	return errNoRule
}

// related returns nil if the graph relates an object to a node. The answer no is
// one only if the graph was complete before it was asked.
func (a *Authorizer) related(node string, request authorizer.Attributes, ask func() bool) error {
	if request.GetName() == "" {
		return errors.New("a kubelet must name the object, or select it by metadata.name")
	}
	synced := a.graph.HasSynced()
	if ask() {
		return nil
	}
	if !synced {
		return errNotSynced
	}
	return fmt.Errorf("no relationship found between node '%s' and this object", node)
}

func (a *Authorizer) get(node string, request authorizer.Attributes, ask func() bool) error {
	if request.GetVerb() != "get" || request.GetSubresource() != "" {
		return fmt.Errorf("a kubelet may only get single %s, without subresources", request.GetResource())
	}
	return a.related(node, request, ask)
}

// readMentioned is about kinds that kubelets watch one by one.
func (a *Authorizer) readMentioned(node string, k kind, request authorizer.Attributes) error {
	if !verbIn(request, "get", "list", "watch") || request.GetSubresource() != "" {
		return fmt.Errorf("a kubelet may only read %s, without subresources", request.GetResource())
	}
	if request.GetNamespace() == "" {
		return fmt.Errorf("a kubelet may only read %s in a namespace", request.GetResource())
	}
	return a.related(node, request, func() bool {
		return a.graph.needs(node, object{k, request.GetNamespace(), request.GetName()})
	})
}

// serviceAccount lets kubelets read the accounts of their pods, whose annotations
// credential providers need, and create tokens for them. Restriction looks at the
// tokens.
func (a *Authorizer) serviceAccount(node string, request authorizer.Attributes) error {
	if request.GetVerb() == "get" && request.GetSubresource() == "" {
		return a.readMentioned(node, serviceAccount, request)
	}
	if request.GetVerb() != "create" || request.GetSubresource() != "token" {
		return errors.New("a kubelet may only get service accounts and create tokens for them")
	}
	return a.related(node, request, func() bool {
		return a.graph.needs(node, object{serviceAccount, request.GetNamespace(), request.GetName()})
	})
}

// claim lets kubelets read the claims of their pods and, when they have grown a
// volume, write the status.
func (a *Authorizer) claim(node string, request authorizer.Attributes) error {
	ask := func() bool {
		return a.graph.needs(node, object{volumeClaim, request.GetNamespace(), request.GetName()})
	}
	if request.GetSubresource() != "status" {
		return a.get(node, request, ask)
	}
	if !verbIn(request, "update", "patch") {
		return errors.New("a kubelet may only update and patch the status of a persistentvolumeclaim")
	}
	return a.related(node, request, ask)
}

// pod lets kubelets read their pods, create and delete mirror pods, write status and
// evict. Restriction checks that what is written is theirs.
func (a *Authorizer) pod(node string, request authorizer.Attributes) error {
	onNode := func() bool { return a.graph.hasPod(node, request.GetNamespace(), request.GetName()) }
	switch request.GetSubresource() {
	case "":
		switch {
		case verbIn(request, "create", "delete"):
			return nil
		case request.GetVerb() == "get":
			return a.related(node, request, onNode)
		case verbIn(request, "list", "watch") && selects(request, "spec.nodeName", node):
			return nil
		case verbIn(request, "list", "watch") && request.GetName() != "":
			return a.related(node, request, onNode)
		case verbIn(request, "list", "watch"):
			return errors.New("a kubelet may only list and watch pods with a field selector of spec.nodeName")
		}
	case "status":
		if verbIn(request, "update", "patch") {
			return nil
		}
	case "eviction":
		if request.GetVerb() == "create" {
			return nil
		}
	}
	return errNoRule
}

// slice lets kubelets handle the slices that their drivers publish. Whose slice is
// created, Restriction checks.
func (a *Authorizer) slice(node string, request authorizer.Attributes) error {
	switch {
	case request.GetSubresource() != "":
		return errNoRule
	case request.GetVerb() == "create":
		return nil
	case verbIn(request, "get", "update", "patch", "delete"):
		return a.related(node, request, func() bool { return clusterScoped(request) && a.graph.hasSlice(node, request.GetName()) })
	case verbIn(request, "list", "watch", "deletecollection"):
		if !selects(request, "spec.nodeName", node) {
			return errors.New("a kubelet may only list, watch and delete resourceslices with a field selector of spec.nodeName")
		}
		return nil
	}
	return errNoRule
}

// ownNode does not ask the graph: a kubelet looks for its node before it exists.
// Restriction checks which one is written.
func ownNode(node string, request authorizer.Attributes) error {
	switch request.GetSubresource() {
	case "":
		switch {
		case verbIn(request, "create", "update", "patch"):
			return nil
		case verbIn(request, "get", "list", "watch"):
			if request.GetName() != node {
				return fmt.Errorf("node '%s' may only read its own Node object", node)
			}
			return nil
		}
	case "status":
		if verbIn(request, "update", "patch") {
			return nil
		}
	}
	return errNoRule
}

func ownLease(node string, request authorizer.Attributes) error {
	if request.GetNamespace() != corev1.NamespaceNodeLease {
		return fmt.Errorf("a kubelet may only access leases in the namespace %q", corev1.NamespaceNodeLease)
	}
	return own(node, request)
}

func ownCSINode(node string, request authorizer.Attributes) error {
	if request.GetSubresource() != "" {
		return errNoRule
	}
	return own(node, request)
}

// own is about objects that are named as their node. What is created has no name
// yet; Restriction looks at it.
func own(node string, request authorizer.Attributes) error {
	switch {
	case request.GetVerb() == "create":
		return nil
	case !verbIn(request, "get", "update", "patch", "delete"):
		return fmt.Errorf("a kubelet may only get, create, update, patch and delete single %s", request.GetResource())
	case request.GetName() != node:
		return fmt.Errorf("node '%s' may only access %s of its own name", node, request.GetResource())
	}
	return nil
}

// selects tells whether a request is limited to objects whose field has a value.
func selects(request authorizer.Attributes, field, value string) bool {
	// What cannot be parsed has no requirements.
	requirements, _ := request.GetFieldSelector()
	for _, r := range requirements {
		if r.Field == field && r.Operator == selection.Equals && r.Value == value {
			return true
		}
	}
	return false
}

func verbIn(request authorizer.Attributes, verbs ...string) bool {
	return slices.Contains(verbs, request.GetVerb())
}

// clusterScoped is false only for access reviews that ask nonsense.
func clusterScoped(request authorizer.Attributes) bool { return request.GetNamespace() == "" }
