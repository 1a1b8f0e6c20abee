// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apps serves the API group apps.openyurt.io.
package apps

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/steppe-io/steppe/apis/apps"
	"github.com/steppe-io/steppe/apis/apps/v1alpha1"
	"github.com/steppe-io/steppe/apis/apps/v1beta1"
	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/registry/apps/nodepool"
)

// Deprecated holds the versions of the group's resources whose users are
// warned. The words are OpenYurt's.
var Deprecated = map[schema.GroupVersionResource]string{
	v1alpha1.SchemeGroupVersion.WithResource("nodepools"): "apps.openyurt.io/v1alpha1 NodePool is deprecated in v1.0.0+; use apps.openyurt.io/v1beta1 NodePool",
}

// NewGroup builds the group. members guards the deletion of node pools.
func NewGroup(scheme *runtime.Scheme, codecs serializer.CodecFactory, storage generic.RESTOptionsGetter, members nodepool.Members) (*genericapiserver.APIGroupInfo, error) {
	pools, err := nodepool.NewStorage(scheme, storage, members)
	if err != nil {
		return nil, err
	}
	info := genericapiserver.NewDefaultAPIGroupInfo(apps.GroupName, scheme, metav1.ParameterCodec, codecs)
	info.NegotiatedSerializer = withoutProtobuf{codecs}
	for _, version := range []string{
		v1beta2.SchemeGroupVersion.Version,
		v1beta1.SchemeGroupVersion.Version,
		v1alpha1.SchemeGroupVersion.Version,
	} {
		info.VersionedResourcesStorageMap[version] = map[string]rest.Storage{
			"nodepools":        pools.NodePool,
			"nodepools/status": pools.Status,
		}
	}
	return &info, nil
}

// withoutProtobuf offers no protobuf, which our types have no form in. Left alone
// a server offers it and then fails to encode, where a client that prefers it,
// as many do, would have been content with JSON.
type withoutProtobuf struct {
	runtime.NegotiatedSerializer
}

// SupportedMediaTypes are what clients may ask for.
func (s withoutProtobuf) SupportedMediaTypes() []runtime.SerializerInfo {
	return slices.DeleteFunc(slices.Clone(s.NegotiatedSerializer.SupportedMediaTypes()), func(info runtime.SerializerInfo) bool {
		return info.MediaType == runtime.ContentTypeProtobuf
	})
}
