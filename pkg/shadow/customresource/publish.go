// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package customresource

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	apihelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extlisters "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/version"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/tools/cache"
)

// Publish has definitions and custom resources show in the discovery of the pool's
// server. It must be called before the server runs.
func (s *Server) Publish(root *genericapiserver.GenericAPIServer) error {
	definitions := s.Informers.Apiextensions().V1().CustomResourceDefinitions()
	own := ownGroup()
	root.DiscoveryGroupManager.AddGroup(own)

	groups := &groups{root: root, lister: definitions.Lister(), own: own.Name, known: sets.New[string]()}
	_, err := definitions.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { groups.publish() },
		UpdateFunc: func(any, any) { groups.publish() },
		DeleteFunc: func(any) { groups.publish() },
	})
	if err != nil {
		return fmt.Errorf("watching definitions of custom resources: %w", err)
	}
	return nil
}

// ownGroup is the group of the definitions themselves.
func ownGroup() metav1.APIGroup {
	v1 := metav1.GroupVersionForDiscovery{GroupVersion: apiextensionsv1.SchemeGroupVersion.String(), Version: apiextensionsv1.SchemeGroupVersion.Version}
	return metav1.APIGroup{Name: apiextensionsv1.GroupName, Versions: []metav1.GroupVersionForDiscovery{v1}, PreferredVersion: v1}
}

// groups keeps the list of groups at /apis. Aggregated discovery is kept by
// k8s.io/apiextensions-apiserver.
type groups struct {
	root   *genericapiserver.GenericAPIServer
	lister extlisters.CustomResourceDefinitionLister
	own    string

	mu    sync.Mutex
	known sets.Set[string] // names published
}

func (g *groups) publish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	definitions, err := g.lister.List(labels.Everything())
	if err != nil {
		return // a lister of a cache has no errors
	}
	current := sets.New[string]()
	for _, group := range served(definitions) {
		current.Insert(group.Name)
		g.root.DiscoveryGroupManager.AddGroup(group)
	}
	for name := range g.known.Difference(current) {
		g.root.DiscoveryGroupManager.RemoveGroup(name)
	}
	g.known = current
}

// served returns the groups that definitions have served, each with its versions
// by priority.
func served(definitions []*apiextensionsv1.CustomResourceDefinition) []metav1.APIGroup {
	versions := map[string]sets.Set[string]{}
	for _, d := range definitions {
		if !apihelpers.IsCRDConditionTrue(d, apiextensionsv1.Established) {
			continue
		}
		for _, v := range d.Spec.Versions {
			if !v.Served {
				continue
			}
			if versions[d.Spec.Group] == nil {
				versions[d.Spec.Group] = sets.New[string]()
			}
			versions[d.Spec.Group].Insert(v.Name)
		}
	}
	list := make([]metav1.APIGroup, 0, len(versions))
	for name, set := range versions {
		group := metav1.APIGroup{Name: name}
		for _, v := range slices.SortedFunc(maps.Keys(set), func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) }) {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		group.PreferredVersion = group.Versions[0]
		list = append(list, group)
	}
	slices.SortFunc(list, func(a, b metav1.APIGroup) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
