// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kube-openapi/pkg/common"
)

// API says what a server serves.
type API struct {
	// Title names the server in its OpenAPI documents.
	Title string
	// Scheme holds the types, NewScheme makes one.
	Scheme *runtime.Scheme
	// Codecs are those of Scheme.
	Codecs serializer.CodecFactory
	// Definitions are the OpenAPI definitions of all types served.
	Definitions common.GetOpenAPIDefinitions
	// Names is a scheme with the served versions of all types, by which OpenAPI
	// documents name them. Nil means Scheme, unless types there have versions
	// that are not served.
	Names *runtime.Scheme
	// Keys are the folders in etcd of resources that have another than their
	// name.
	Keys map[schema.GroupResource]string
	// WithoutProtobuf are the groups whose types have no form in protobuf. They
	// are stored as JSON in any case.
	WithoutProtobuf []string
	// Groups are the API groups, in the order of their installation.
	Groups []Group
	// Deprecated maps a version of a resource to the warning that its callers
	// get with every answer.
	Deprecated map[schema.GroupVersionResource]string
}

// Group builds an API group on the storage that it is offered.
type Group func(storage generic.RESTOptionsGetter) (*genericapiserver.APIGroupInfo, error)

// names returns the scheme that names types in OpenAPI documents.
func (a *API) names() *runtime.Scheme {
	if a.Names != nil {
		return a.Names
	}
	return a.Scheme
}

// NewScheme returns a scheme with what every API server needs, and the groups
// that install adds.
func NewScheme(install ...func(*runtime.Scheme)) *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range install {
		add(scheme)
	}
	// Options, statuses and discovery documents have no group of their own.
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	scheme.AddUnversionedTypes(v1,
		&metav1.Status{},
		&metav1.APIVersions{},
		&metav1.APIGroupList{},
		&metav1.APIGroup{},
		&metav1.APIResourceList{},
	)
	return scheme
}

// withDeprecationWarnings warns the callers of deprecated versions.
func withDeprecationWarnings(handler http.Handler, deprecated map[schema.GroupVersionResource]string) http.Handler {
	if len(deprecated) == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if info, ok := apirequest.RequestInfoFrom(req.Context()); ok && info.IsResourceRequest {
			resource := schema.GroupVersionResource{Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource}
			if text, ok := deprecated[resource]; ok {
				warning.AddWarning(req.Context(), "", text)
			}
		}
		handler.ServeHTTP(w, req)
	})
}
