// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"errors"
	"fmt"
	"time"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	basecompatibility "k8s.io/component-base/compatibility"
	baseversion "k8s.io/component-base/version"
)

// watchTerminationGracePeriod is how long an ending server gives its watchers,
// which it tells at a rate that spares the server they turn to next.
const watchTerminationGracePeriod = 10 * time.Second

// Options say how a server runs. What a server does not need is nil in
// Recommended, as k8s.io/apiserver has it.
type Options struct {
	Run         *genericoptions.ServerRunOptions
	Recommended *genericoptions.RecommendedOptions
	Storage     *StorageOptions
}

// NewOptions returns the options of an aggregated API server: identities and
// permissions are those of the kube-apiserver in front of it.
func NewOptions(storage *StorageOptions) *Options {
	behaveAsKubernetes()
	recommended := genericoptions.NewRecommendedOptions("", nil)
	recommended.Etcd = nil // Storage has it
	recommended.EgressSelector = nil
	// Certificates are kept in memory unless files are named.
	recommended.SecureServing.ServerCert.CertDirectory = ""
	run := genericoptions.NewServerRunOptions()
	// Without it nothing ends watches, and the end waits out the request timeout.
	run.ShutdownWatchTerminationGracePeriod = watchTerminationGracePeriod
	return &Options{
		Run:         run,
		Recommended: recommended,
		Storage:     storage,
	}
}

// NewStandaloneOptions returns the options of an API server that has no
// kube-apiserver in front of it. Whom to trust, what to permit and what to admit
// is set in the Config that the options make. A slow client has no priority over
// another: requests are limited by number alone.
func NewStandaloneOptions(storage *StorageOptions) *Options {
	o := NewOptions(storage)
	o.Recommended.Authentication = nil
	o.Recommended.Authorization = nil
	o.Recommended.CoreAPI = nil
	o.Recommended.Admission = nil
	o.Recommended.Features.EnablePriorityAndFairness = false
	return o
}

// standalone says whether there is no kube-apiserver in front.
func (o *Options) standalone() bool { return o.Recommended.CoreAPI == nil }

// behaveAsKubernetes makes features follow the Kubernetes release that the
// libraries are of. Left alone they would follow the version of this program,
// where they are all still to be invented.
func behaveAsKubernetes() {
	registry := compatibility.DefaultComponentGlobalsRegistry
	if registry.EffectiveVersionFor(basecompatibility.DefaultKubeComponent) != nil {
		return
	}
	version := basecompatibility.NewEffectiveVersionFromString(baseversion.DefaultKubeBinaryVersion, "", "")
	if err := registry.Register(basecompatibility.DefaultKubeComponent, version, utilfeature.DefaultMutableFeatureGate); err != nil {
		panic(fmt.Sprintf("registering the effective version: %v", err)) // only if another package registers at the same time
	}
}

// AddFlags adds the flags of the options, by topic.
func (o *Options) AddFlags(fss *cliflag.NamedFlagSets) {
	o.Storage.AddFlags(fss.FlagSet("Storage"))
	o.Recommended.SecureServing.AddFlags(fss.FlagSet("Secure serving"))
	o.Recommended.Authentication.AddFlags(fss.FlagSet("Authentication"))
	o.Recommended.Authorization.AddFlags(fss.FlagSet("Authorization"))
	o.Recommended.Admission.AddFlags(fss.FlagSet("Admission"))
	o.Recommended.Audit.AddFlags(fss.FlagSet("Auditing"))
	if o.standalone() {
		fss.FlagSet("Features").BoolVar(&o.Recommended.Features.EnableProfiling, "profiling", o.Recommended.Features.EnableProfiling,
			"Serve profiles at /debug/pprof/ to those who may get them.")
	} else {
		o.Recommended.Features.AddFlags(fss.FlagSet("Features"))
	}
	o.Recommended.CoreAPI.AddFlags(fss.FlagSet("Kubernetes API"))
	o.Recommended.Traces.AddFlags(fss.FlagSet("Traces"))
	o.Run.AddUniversalFlags(fss.FlagSet("Generic"))
}

// Complete fills in what follows from other options.
func (o *Options) Complete() error {
	if err := o.Run.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("setting feature gates: %w", err)
	}
	// One kubeconfig serves for all that is asked of the kube-apiserver.
	if core := o.Recommended.CoreAPI; core != nil {
		if authn := o.Recommended.Authentication; authn != nil && authn.RemoteKubeConfigFile == "" {
			authn.RemoteKubeConfigFile = core.CoreAPIKubeconfigPath
		}
		if authz := o.Recommended.Authorization; authz != nil && authz.RemoteKubeConfigFile == "" {
			authz.RemoteKubeConfigFile = core.CoreAPIKubeconfigPath
		}
	}
	if serving := o.Recommended.SecureServing; serving != nil {
		if err := o.Run.DefaultAdvertiseAddress(serving.SecureServingOptions); err != nil {
			return fmt.Errorf("finding the address to advertise: %w", err)
		}
	}
	return nil
}

// Validate returns all that is wrong with the options.
func (o *Options) Validate() error {
	errs := append(o.Run.Validate(), o.Storage.Validate()...)
	r := o.Recommended
	errs = append(errs, r.SecureServing.Validate()...)
	errs = append(errs, r.Authentication.Validate()...)
	errs = append(errs, r.Authorization.Validate()...)
	errs = append(errs, r.Audit.Validate()...)
	errs = append(errs, r.Features.Validate()...)
	errs = append(errs, r.CoreAPI.Validate()...)
	errs = append(errs, r.Admission.Validate()...)
	return errors.Join(append(errs, r.Traces.Validate()...)...)
}

// Config puts the options, an API and its storage together.
func (o *Options) Config(api API, storage *Storage) (*Config, error) {
	generic := genericapiserver.NewRecommendedConfig(api.Codecs)
	if err := o.Run.ApplyTo(&generic.Config); err != nil {
		return nil, err
	}
	namer := openapinamer.NewDefinitionNamer(api.names())
	generic.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(api.Definitions, namer)
	generic.OpenAPIConfig.Info.Title = api.Title
	generic.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(api.Definitions, namer)
	generic.OpenAPIV3Config.Info.Title = api.Title

	if err := o.Recommended.ApplyTo(generic); err != nil {
		return nil, err
	}
	waitForClientCA(&generic.Config)
	if err := storage.applyTo(&generic.Config, api); err != nil {
		return nil, err
	}
	return &Config{Generic: generic, API: api, storage: storage}, nil
}
