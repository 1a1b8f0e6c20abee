// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// resource is one that the server serves.
type resource struct {
	schema.GroupVersionResource
	kind       string
	namespaced bool
	verbs      metav1.Verbs
}

func (r *resource) can(verbs ...string) bool {
	for _, v := range verbs {
		if !slices.Contains(r.verbs, v) {
			return false
		}
	}
	return true
}

// watched says whether objects of the resource are followed.
func (r *resource) watched() bool {
	return !unfollowed[r.GroupResource()] && r.can("list", "watch", "get", "patch", "delete")
}

var (
	namespaces = schema.GroupResource{Resource: "namespaces"}
	nodes      = schema.GroupResource{Resource: "nodes"}
	pods       = schema.GroupResource{Resource: "pods"}
	leases     = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	csiNodes   = schema.GroupResource{Group: "storage.k8s.io", Resource: "csinodes"}
	devices    = schema.GroupResource{Group: "resource.k8s.io", Resource: "resourceslices"}
)

// ofNodes are the resources that are looked through when a node has gone.
var ofNodes = []schema.GroupResource{leases, csiNodes, devices}

// unfollowed are the resources whose objects own nothing and, but for those of
// nodes, belong to nothing. The server does not have them wait for dependents: they
// are Unsupported in the table of package builtin.
var unfollowed = map[schema.GroupResource]bool{
	leases: true, csiNodes: true, devices: true,
	{Resource: "events"}:            true,
	{Resource: "limitranges"}:       true,
	{Resource: "persistentvolumes"}: true,
	{Resource: "podtemplates"}:      true,
	{Resource: "resourcequotas"}:    true,
	{Group: "admissionregistration.k8s.io", Resource: "mutatingadmissionpolicies"}:         true,
	{Group: "admissionregistration.k8s.io", Resource: "mutatingadmissionpolicybindings"}:   true,
	{Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"}:     true,
	{Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"}:       true,
	{Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicybindings"}: true,
	{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}:   true,
	{Group: "certificates.k8s.io", Resource: "certificatesigningrequests"}:                 true,
	{Group: "events.k8s.io", Resource: "events"}:                                           true,
	{Group: "networking.k8s.io", Resource: "ingressclasses"}:                               true,
	{Group: "networking.k8s.io", Resource: "ipaddresses"}:                                  true,
	{Group: "networking.k8s.io", Resource: "servicecidrs"}:                                 true,
	{Group: "node.k8s.io", Resource: "runtimeclasses"}:                                     true,
	{Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"}:                  true,
	{Group: "rbac.authorization.k8s.io", Resource: "clusterroles"}:                         true,
	{Group: "resource.k8s.io", Resource: "deviceclasses"}:                                  true,
	{Group: "scheduling.k8s.io", Resource: "priorityclasses"}:                              true,
	{Group: "storage.k8s.io", Resource: "csidrivers"}:                                      true,
	{Group: "storage.k8s.io", Resource: "csistoragecapacities"}:                            true,
	{Group: "storage.k8s.io", Resource: "storageclasses"}:                                  true,
	{Group: "storage.k8s.io", Resource: "volumeattachments"}:                               true,
	{Group: "storage.k8s.io", Resource: "volumeattributesclasses"}:                         true,
}

// discover returns what the server serves, each resource in one version.
func discover(client discovery.DiscoveryInterface) ([]*resource, error) {
	lists, err := client.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("finding out what the server serves: %w", err)
	}
	var found []*resource
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("finding out what the server serves: %w", err)
		}
		for _, r := range list.APIResources {
			found = append(found, &resource{version.WithResource(r.Name), r.Kind, r.Namespaced, r.Verbs})
		}
	}
	return found, nil
}

// catalog is what the server serves, as far as it is known.
type catalog struct {
	mu  sync.Mutex // guards all
	all []*resource
}

func (c *catalog) set(all []*resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = all
}

// find returns the first resource that is meant, nil if there is none.
func (c *catalog) find(meant func(*resource) bool) *resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.all, meant); i >= 0 {
		return c.all[i]
	}
	return nil
}

// ofKind returns the resource that an owner is of. The version does not matter.
func (c *catalog) ofKind(apiVersion, kind string) *resource {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil
	}
	return c.find(func(r *resource) bool { return r.Group == version.Group && r.kind == kind })
}

func (c *catalog) of(name schema.GroupResource) *resource {
	return c.find(func(r *resource) bool { return r.GroupResource() == name })
}
