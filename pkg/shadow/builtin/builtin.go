// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/steppe-io/steppe/pkg/apiserver"
)

// rows is every row, in the order of the groups' installation: clients show
// resources in it.
var rows = slices.Concat(
	coreRows, appsRows, batchRows, autoscalingRows, disruptionRows, coordinationRows, discoveryRows,
	networkingRows, nodeRows, schedulingRows, storageRows, rbacRows, certificatesRows, devicesRows, policiesRows,
)

// Keys are the folders in etcd of resources that have another than their name.
func Keys() map[schema.GroupResource]string {
	keys := map[schema.GroupResource]string{}
	for _, row := range rows {
		if row.Key != "" {
			keys[row.GroupResource()] = row.Key
		}
	}
	return keys
}

// AddFieldLabels tells a scheme which fields can be selected by.
func AddFieldLabels(scheme *runtime.Scheme) error {
	for _, row := range rows {
		if len(row.Fields) == 0 {
			continue
		}
		known := map[string]string{"metadata.name": "metadata.name"}
		if !row.ClusterScoped {
			known["metadata.namespace"] = "metadata.namespace"
		}
		for _, f := range row.Fields {
			known[f.Label] = f.Label
		}
		for alias, label := range aliases[row.GroupResource()] {
			known[alias] = label
		}
		if err := scheme.AddFieldLabelConversionFunc(row.Kind, selectable(known)); err != nil {
			return err
		}
	}
	return scheme.AddFieldLabelConversionFunc(eventsv1.SchemeGroupVersion.WithKind("Event"), selectable(eventFields))
}

// selectable maps what clients call fields to what rows do.
func selectable(known map[string]string) runtime.FieldLabelConversionFunc {
	return func(label, value string) (string, string, error) {
		if field, ok := known[label]; ok {
			return field, value, nil
		}
		return "", "", fmt.Errorf("field label not supported: %s; supported are %q", label, slices.Sorted(maps.Keys(known)))
	}
}

// aliases are further names of fields.
var aliases = map[schema.GroupResource]map[string]string{
	{Resource: "pods"}:       {"spec.host": "spec.nodeName", "status.podIPs": "status.podIP"},
	{Resource: "namespaces"}: {"name": "metadata.name"},
}

// eventFields are the names that the group events.k8s.io has for fields of events.
var eventFields = map[string]string{
	"metadata.name":             "metadata.name",
	"metadata.namespace":        "metadata.namespace",
	"reason":                    "reason",
	"regarding.kind":            "involvedObject.kind",
	"regarding.namespace":       "involvedObject.namespace",
	"regarding.name":            "involvedObject.name",
	"regarding.uid":             "involvedObject.uid",
	"regarding.apiVersion":      "involvedObject.apiVersion",
	"regarding.resourceVersion": "involvedObject.resourceVersion",
	"regarding.fieldPath":       "involvedObject.fieldPath",
	"reportingController":       "reportingComponent",
	"type":                      "type",
}

// Config says how the resources are served.
type Config struct {
	// Scheme and Codecs have the types, their defaults and field labels.
	Scheme *runtime.Scheme
	Codecs serializer.CodecFactory
	// Storage is where the objects are.
	Storage generic.RESTOptionsGetter
	// EventTTL is how long events are kept. It must be positive.
	EventTTL time.Duration
	// CheckGrant returns an API error if the writer of a role or binding, the user
	// in the context, may not grant what it grants. For a create old is nil. Nil
	// lets everybody grant everything who may write roles.
	CheckGrant func(ctx context.Context, obj, old runtime.Object) error
}

// Resources are the stores of all rows.
type Resources struct {
	config   Config
	stores   map[schema.GroupResource]*Store
	versions map[schema.GroupVersion]map[string]rest.Storage
	order    []schema.GroupVersion
}

// New makes the stores of all rows, and the subresources that need no more.
func New(config Config) (*Resources, error) {
	r := &Resources{
		config:   config,
		stores:   map[schema.GroupResource]*Store{},
		versions: map[schema.GroupVersion]map[string]rest.Storage{},
	}
	for i := range rows {
		row := &rows[i]
		store, err := newStore(row, config.Scheme, config.Storage, config.EventTTL)
		if err != nil {
			return nil, err
		}
		r.stores[row.GroupResource()] = store
		r.Add(row.Kind.GroupVersion(), row.Name, store)
		if row.Status {
			r.Add(row.Kind.GroupVersion(), row.Name+"/status", newWholePart(store, statusStrategy{store.base}))
		}
	}
	// Both groups of events are one store.
	r.Add(eventsv1.SchemeGroupVersion, "events", r.stores[corev1.Resource("events")])
	r.addSubresources()
	r.guardGrants()
	r.afterServices(nil)
	return r, nil
}

// Add serves a resource or subresource beside those of the table.
func (r *Resources) Add(version schema.GroupVersion, path string, storage rest.Storage) {
	if r.versions[version] == nil {
		r.versions[version] = map[string]rest.Storage{}
		r.order = append(r.order, version)
	}
	r.versions[version][path] = storage
}

// Store returns the store of a resource, which must be in the table.
func (r *Resources) Store(resource schema.GroupResource) *Store {
	store, ok := r.stores[resource]
	if !ok {
		panic(fmt.Sprintf("the table has no %s", resource)) // the callers name constants
	}
	return store
}

// Groups are what a server is to install.
func (r *Resources) Groups() []apiserver.Group {
	parameters := runtime.NewParameterCodec(r.config.Scheme)
	groups := map[string]*genericapiserver.APIGroupInfo{}
	var list []apiserver.Group
	for _, version := range r.order {
		info, ok := groups[version.Group]
		if !ok {
			made := genericapiserver.NewDefaultAPIGroupInfo(version.Group, r.config.Scheme, parameters, r.config.Codecs)
			info = &made
			groups[version.Group] = info
			list = append(list, func(generic.RESTOptionsGetter) (*genericapiserver.APIGroupInfo, error) { return info, nil })
		}
		info.VersionedResourcesStorageMap[version.Version] = r.versions[version]
	}
	return list
}
