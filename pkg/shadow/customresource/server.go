// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package customresource serves CustomResourceDefinitions and what they define, by
// the server of k8s.io/apiextensions-apiserver behind the pool's own, and has both
// show in the discovery and the OpenAPI documents of the pool's server. In a cloud
// kube-aggregator does that; a pool has no other servers to aggregate.
package customresource

import (
	"fmt"

	noopoteltrace "go.opentelemetry.io/otel/trace/noop"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	extoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	extopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	openapicommon "k8s.io/kube-openapi/pkg/common"

	"github.com/steppe-io/steppe/pkg/apiserver"
)

// Config says how custom resources are served.
type Config struct {
	// Root is the configuration of the pool's own server, complete but for its
	// API. It is copied.
	Root *apiserver.Config
	// Informers are of Kubernetes' own resources.
	Informers informers.SharedInformerFactory
	// Replicas is how many servers the pool has. With more than one a new
	// definition is served only when all of them have had time to learn of it.
	Replicas int
	// Services finds conversion webhooks.
	Services webhook.ServiceResolver
}

// Server serves definitions and custom resources.
type Server struct {
	*extserver.CustomResourceDefinitions
	openAPI *openapicommon.OpenAPIV3Config
}

// New builds the server. Publish has it known.
func New(config Config) (*Server, error) {
	generic := config.Root.Generic.Config
	generic.PostStartHooks = map[string]genericapiserver.PostStartHookConfigEntry{}
	generic.RESTOptionsGetter = nil
	generic.MergedResourceConfig = extserver.DefaultAPIResourceConfigSource()
	generic.MergedResourceConfig.DisableVersions(schema.GroupVersion{Group: apiextensionsv1.GroupName, Version: "v1beta1"})

	// The documents are the root's, see Publish. Models are needed all the same,
	// for server-side apply.
	generic.OpenAPIConfig = nil
	generic.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(extopenapi.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(extserver.Scheme))
	generic.SkipOpenAPIInstallation = true

	etcd := config.Root.Etcd()
	etcd.StorageConfig.Codec = extserver.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(apiextensionsv1.SchemeGroupVersion, schema.GroupKind{Group: apiextensionsv1.GroupName})
	etcd.DefaultStorageMediaType = runtime.ContentTypeJSON
	etcd.SkipHealthEndpoints = true
	factory := serverstorage.NewDefaultStorageFactory(etcd.StorageConfig, etcd.DefaultStorageMediaType, extserver.Codecs,
		serverstorage.NewDefaultResourceEncodingConfig(extserver.Scheme), generic.MergedResourceConfig, nil)
	if err := etcd.ApplyWithStorageFactoryTo(factory, &generic); err != nil {
		return nil, fmt.Errorf("configuring storage of custom resources: %w", err)
	}
	generic.RESTOptionsGetter = config.Root.Direct(generic.RESTOptionsGetter)

	c := &extserver.Config{
		GenericConfig: &genericapiserver.RecommendedConfig{Config: generic, SharedInformerFactory: config.Informers},
		ExtraConfig: extserver.ExtraConfig{
			CRDRESTOptionsGetter: config.Root.Direct(extoptions.NewCRDRESTOptionsGetter(etcd, generic.ResourceTransformers, generic.StorageObjectCountTracker)),
			MasterCount:          config.Replicas,
			AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, generic.LoopbackClientConfig, noopoteltrace.NewTracerProvider()),
			ServiceResolver:      config.Services,
		},
	}
	server, err := c.Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("building server of custom resources: %w", err)
	}
	generic.OpenAPIV3Config.Definitions = nil // made anew when they are asked for
	return &Server{server, generic.OpenAPIV3Config}, nil
}
