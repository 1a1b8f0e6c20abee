// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"net/http"

	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/steppe-io/steppe/pkg/openapi"
)

// Config is a server that is about to be built. Generic may still be changed.
type Config struct {
	Generic *genericapiserver.RecommendedConfig
	API     API
	// Delegate answers for paths that the API has not. Nil answers 404.
	Delegate genericapiserver.DelegationTarget
	// Describe returns what the delegate has to say in OpenAPI documents. Nil
	// means nothing.
	Describe func() openapi.More

	storage *Storage
}

// Server is an API server that has been built and not yet run.
type Server struct {
	Generic *genericapiserver.GenericAPIServer
}

// New builds the server and connects it with its storage.
func (c *Config) New(name string) (*Server, error) {
	buildChain := c.Generic.BuildHandlerChainFunc
	deprecated := c.API.Deprecated
	c.Generic.BuildHandlerChainFunc = func(apiHandler http.Handler, config *genericapiserver.Config) http.Handler {
		return buildChain(withDeprecationWarnings(apiHandler, deprecated), config)
	}
	delegate := c.Delegate
	if delegate == nil {
		delegate = genericapiserver.NewEmptyDelegate()
	}
	c.Generic.SkipOpenAPIInstallation = true // see package openapi
	generic, err := c.Generic.Complete().New(name, delegate)
	if err != nil {
		return nil, fmt.Errorf("building API server: %w", err)
	}
	for _, group := range c.API.Groups {
		info, err := group(c.Generic.RESTOptionsGetter)
		if err != nil {
			return nil, fmt.Errorf("building API group: %w", err)
		}
		if err := install(generic, info); err != nil {
			return nil, fmt.Errorf("installing API group %q: %w", info.PrioritizedVersions[0].Group, err)
		}
		info.StaticOpenAPISpec = nil // what applying needs has been made of it
	}
	documents := openapi.New(openapi.Config{
		V2:       c.Generic.OpenAPIConfig,
		V3:       c.Generic.OpenAPIV3Config,
		Services: generic.Handler.GoRestfulContainer.RegisteredWebServices,
		More:     c.Describe,
	})
	documents.Install(generic.Handler.NonGoRestfulMux)
	// They are made anew for each document.
	c.Generic.OpenAPIV3Config.Definitions = nil
	return &Server{Generic: generic}, nil
}

// install installs a group: the nameless one at /api, others at /apis.
func install(generic *genericapiserver.GenericAPIServer, info *genericapiserver.APIGroupInfo) error {
	if info.PrioritizedVersions[0].Group == "" {
		return generic.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, info)
	}
	return generic.InstallAPIGroup(info)
}

// Run serves until ctx is done and then ends in the order that the package
// documents. What post-start hooks have started ends with ctx, but is not waited
// for.
func (s *Server) Run(ctx context.Context) error {
	return s.Generic.PrepareRun().RunWithContext(ctx)
}
