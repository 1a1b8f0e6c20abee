// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	genericadmission "k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/filters"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/admission"
	"github.com/steppe-io/steppe/pkg/shadow/auth/node"
	"github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/collect"
	"github.com/steppe-io/steppe/pkg/shadow/customresource"
	"github.com/steppe-io/steppe/pkg/shadow/kubelet"
)

// Server is a pool's server that has been built and not yet run.
type Server struct {
	*apiserver.Server
	// Resources are Kubernetes' own.
	Resources *builtin.Resources

	jobs      *jobs
	connector *kubelet.Connector
}

// New builds the server, top to bottom. It runs nothing but reads the keys of the
// pool's tokens, or makes them.
func New(ctx context.Context, c Config) (*Server, error) {
	config, err := c.Options.Config(NewAPI(), c.Storage)
	if err != nil {
		return nil, err
	}
	config.AsKubernetes()
	generic := config.Generic
	jobs := &jobs{}
	generic.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"),
		sets.NewString("attach", "exec", "proxy", "log", "portforward"),
	)
	generic.AggregatedDiscoveryGroupManager = aggregated.NewResourceManager("apis")

	// The server is its own client, as a kube-apiserver is.
	loopback := generic.LoopbackClientConfig
	loopback.ContentType = runtime.ContentTypeProtobuf
	loopback.DisableCompression = true
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return nil, fmt.Errorf("making a client of the server itself: %w", err)
	}
	generic.ClientConfig = loopback
	generic.SharedInformerFactory = newInformers(client)

	// What callers may do.
	permissions, err := newPermissions(generic.SharedInformerFactory)
	if err != nil {
		return nil, err
	}
	generic.Authorization.Authorizer = permissions
	generic.RuleResolver = permissions
	if err := generic.AddPostStartHook("learn-permissions", permissions.wait); err != nil {
		return nil, err
	}

	resources, err := builtin.New(builtin.Config{
		Scheme: config.API.Scheme, Codecs: config.API.Codecs,
		Storage: generic.RESTOptionsGetter, EventTTL: c.EventTTL, CheckGrant: permissions.grants.Check,
	})
	if err != nil {
		return nil, err
	}
	objects := objects{resources}
	if err := c.allocate(jobs, resources, generic); err != nil {
		return nil, err
	}

	// Who calls.
	identities, err := newIdentities(ctx, c, objects)
	if err != nil {
		return nil, err
	}
	if err := identities.authenticator.ApplyTo(&generic.Authentication, generic.SecureServing); err != nil {
		return nil, fmt.Errorf("asking clients for certificates: %w", err)
	}
	if err := jobs.add(generic, "keep-token-keys", identities.issuer.Run); err != nil {
		return nil, err
	}

	// What is admitted.
	restriction := node.NewRestriction(generic.Authorization.Authorizer, objects.restricting())
	if err := admit(generic, client, loopback, restriction, objects); err != nil {
		return nil, err
	}

	if err := c.alone(jobs, generic, "complete-deletions", completeDeletions(loopback)); err != nil {
		return nil, err
	}
	connector, err := c.serveSubresources(resources, objects, generic, identities)
	if err != nil {
		return nil, err
	}
	custom, err := customresource.New(customresource.Config{
		Root: config, Informers: generic.SharedInformerFactory, Replicas: c.Replicas, Services: objects,
	})
	if err != nil {
		return nil, err
	}
	config.Delegate = custom.GenericAPIServer
	config.Describe = custom.Describe
	config.API.Groups = append(resources.Groups(), ownGroups(config.API, objects)...)
	server, err := config.New("pool-coordinator")
	if err != nil {
		return nil, err
	}
	if err := custom.Publish(server.Generic); err != nil {
		return nil, err
	}
	// What has no end of its own ends before the server stops to serve: jobs need it
	// to, and it would wait for streams.
	for name, end := range map[string]func(){"end-jobs": jobs.end, "end-streams": connector.Close} {
		if err := server.Generic.AddPreShutdownHook(name, func() error { end(); return nil }); err != nil {
			return nil, err
		}
	}
	return &Server{server, resources, jobs, connector}, nil
}

// Run serves until ctx is done. When it returns, its jobs and all streams to kubelets
// have ended.
func (s *Server) Run(ctx context.Context) error {
	// In case that it could not even begin.
	defer s.connector.Close()
	defer s.jobs.end()
	return s.Server.Run(ctx)
}

// admit sets the admission plugins, in the order of the kube-apiserver.
func admit(generic *genericapiserver.RecommendedConfig, client kubernetes.Interface, loopback *rest.Config, restriction *node.Restriction, objects objects) error {
	dynamicClient, err := dynamic.NewForConfig(withJSON(loopback))
	if err != nil {
		return fmt.Errorf("making a client of the server itself: %w", err)
	}
	options := genericoptions.NewAdmissionOptions()
	options.Plugins.Register(node.RestrictionName, func(io.Reader) (genericadmission.Interface, error) { return restriction, nil })
	admission.Register(options.Plugins, admission.NewObjects(objects.store), generic.Authorization.Authorizer)
	options.RecommendedPluginOrder = slices.Concat(
		[]string{lifecycle.PluginName}, admission.First,
		[]string{node.RestrictionName}, admission.Then,
		[]string{mutatingpolicy.PluginName, validatingpolicy.PluginName},
	)
	if err := options.ApplyTo(&generic.Config, generic.SharedInformerFactory, client, dynamicClient, utilfeature.DefaultFeatureGate, generic.EffectiveVersion); err != nil {
		return fmt.Errorf("setting up admission: %w", err)
	}
	return nil
}

// completeDeletions does what a pool has no kube-controller-manager for.
func completeDeletions(loopback *rest.Config) func(context.Context) {
	return func(ctx context.Context) {
		collector, err := collect.New(collect.Config{Client: loopback})
		if err != nil {
			klog.FromContext(ctx).Error(err, "Deletions will not be completed")
			return
		}
		collector.Run(ctx)
	}
}

// withJSON returns a configuration for clients of objects that have no form in
// protobuf.
func withJSON(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeJSON
	return config
}

// newInformers returns informers that keep no more than is looked at.
func newInformers(client kubernetes.Interface) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(strip))
}
