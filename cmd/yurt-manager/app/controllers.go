// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	corev1 "k8s.io/api/core/v1"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/nodepool"
)

// syncTimeout is how long a controller waits for its first lists. A server that
// does not answer yet is no reason to restart, so it is long; that there is an
// end to it shows a mistake, such as a missing right, as a restart at last.
const syncTimeout = time.Hour

// registration is a controller of yurt-manager.
type registration struct {
	name string
	// needs are the kinds that must be served before it can be added.
	needs []schema.GroupVersionKind
	// watches are the objects that it is ready with only when they are cached.
	watches []client.Object
	add     func(manager.Manager, *Options) error
}

// controllers are all controllers there are.
var controllers = []registration{
	{
		name:    "nodepool",
		needs:   []schema.GroupVersionKind{appsv1beta2.SchemeGroupVersion.WithKind("NodePool")},
		watches: []client.Object{&corev1.Node{}, &appsv1beta2.NodePool{}},
		add: func(mgr manager.Manager, o *Options) error {
			return nodepool.Add(mgr, nodepool.Options{Workers: o.NodePoolWorkers, SyncTimeout: syncTimeout})
		},
	},
}

func controllerNames() []string {
	names := make([]string, 0, len(controllers))
	for _, c := range controllers {
		names = append(names, c.name)
	}
	return names
}

// unknownControllers returns the entries of --controllers that mean nothing.
func unknownControllers(selection []string) (unknown []string) {
	for _, entry := range selection {
		if entry != "*" && !slices.Contains(controllerNames(), strings.TrimPrefix(entry, "-")) {
			unknown = append(unknown, entry)
		}
	}
	return unknown
}

// enabled says whether --controllers selects a controller. An entry that names
// it wins over "*", and "-foo" over "foo".
func enabled(name string, selection []string) bool {
	if slices.Contains(selection, "-"+name) {
		return false
	}
	return slices.Contains(selection, name) || slices.Contains(selection, "*")
}
