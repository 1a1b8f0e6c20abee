// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app assembles yurt-apiserver.
package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/term"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/apis/apps/install"
	"github.com/steppe-io/steppe/generated/openapi"
	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/registry/apps"
	"github.com/steppe-io/steppe/pkg/registry/apps/nodepool"
	"github.com/steppe-io/steppe/pkg/servingcert"
)

// NewCommand returns the command. It serves until ctx is done.
func NewCommand(ctx context.Context) *cobra.Command {
	o := NewOptions()
	showVersion := false
	cmd := &cobra.Command{
		Use:   "yurt-apiserver",
		Short: "Serve the API groups of Steppe behind a kube-apiserver",
		Long: `yurt-apiserver serves NodePools and the other kinds of Steppe to any client of
a Kubernetes cluster: the kube-apiserver passes requests on to it by way of
APIService objects, and it asks the kube-apiserver who may do what.

Objects are kept in an etcd inside the process, in --etcd-data-dir, or in the
external one that --etcd-servers names. Several replicas need an external one.`,
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), cmd.Name(), version.Get().GitVersion)
				return err
			}
			if err := o.Complete(); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			cliflag.PrintFlags(cmd.Flags())
			return Run(cmd.Context(), o)
		},
	}
	cmd.SetContext(ctx)

	var fss cliflag.NamedFlagSets
	o.AddFlags(&fss)
	fss.FlagSet("Global").BoolVar(&showVersion, "version", false, "Print the version and exit.")
	globalflag.AddGlobalFlags(fss.FlagSet("Global"), cmd.Name())
	for _, fs := range fss.FlagSets {
		cmd.Flags().AddFlagSet(fs)
	}
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, fss, columns)
	return cmd
}

// Run serves until ctx is done, or until the storage is lost. The order of the
// end is: the server drains (see package apiserver), then the storage closes.
func Run(ctx context.Context, o *Options) (err error) {
	logger := klog.FromContext(ctx)
	logger.Info("Starting", "version", version.Get().GitVersion)

	storage, err := o.Server.Storage.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, storage.Close()) }()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, o, storage) }()
	select {
	case err := <-ended:
		return err
	case <-storage.Failed():
		// Nothing can be answered truthfully any more, so nothing is drained.
		return fmt.Errorf("storage is lost: %w", storage.Failure())
	}
}

// serve assembles the server, top to bottom, and runs it.
func serve(ctx context.Context, o *Options, storage *apiserver.Storage) error {
	clients, err := newClients(o.Server.Recommended.CoreAPI.CoreAPIKubeconfigPath)
	if err != nil {
		return err
	}
	if err := claimStorage(ctx, o, storage, clients.kubernetes); err != nil {
		return err
	}
	if err := refuseCustomResources(ctx, clients.metadata); err != nil {
		return err
	}
	if err := disableMissingAdmission(ctx, o.Server.Recommended.Admission, clients.kubernetes.Discovery()); err != nil {
		return err
	}

	api := newAPI(nodepool.LabelledNodes{Client: clients.metadata})
	serving := o.Server.Recommended.SecureServing
	if o.ManageServingCert {
		provider := servingcert.New(servingCertConfig(o, api.Scheme), clients.kubernetes, clients.dynamic)
		if err := untilAnswered(ctx, "issue the serving certificate", provider.RunOnce); err != nil {
			return err
		}
		serving.ServerCert.GeneratedCert = provider
	} else if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, nil); err != nil {
		return err
	}

	config, err := o.Server.Config(api, storage)
	if err != nil {
		return err
	}
	server, err := config.New("yurt-apiserver")
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// newAPI says what yurt-apiserver serves.
func newAPI(members nodepool.Members) apiserver.API {
	scheme := apiserver.NewScheme(install.Install)
	codecs := serializer.NewCodecFactory(scheme, serializer.WithStreamingCollectionEncodingToJSON())
	return apiserver.API{
		Title:       "Steppe",
		Scheme:      scheme,
		Codecs:      codecs,
		Definitions: openapi.GetOpenAPIDefinitions,
		Groups: []apiserver.Group{
			func(storage generic.RESTOptionsGetter) (*genericapiserver.APIGroupInfo, error) {
				return apps.NewGroup(scheme, codecs, storage, members)
			},
		},
		Deprecated: apps.Deprecated,
	}
}

// servingCertConfig derives the names of the APIServices from what is served.
func servingCertConfig(o *Options, scheme *runtime.Scheme) servingcert.Config {
	service := o.ServiceName + "." + o.WorkingNamespace
	config := servingcert.Config{
		Namespace: o.WorkingNamespace,
		Secret:    o.ServiceName + "-certs",
		DNSNames:  []string{service + ".svc", service + ".svc.cluster.local", service, o.ServiceName, "localhost"},
	}
	for _, gv := range scheme.PrioritizedVersionsAllGroups() {
		if gv.Group != "" && gv.Group != "meta.k8s.io" {
			config.APIServices = append(config.APIServices, gv.Version+"."+gv.Group)
		}
	}
	return config
}

// clients are what the server asks of the kube-apiserver for itself.
type clients struct {
	kubernetes kubernetes.Interface
	dynamic    dynamic.Interface
	metadata   metadata.Interface
}

func newClients(kubeconfig string) (*clients, error) {
	load := rest.InClusterConfig
	if kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := load()
	if err != nil {
		return nil, fmt.Errorf("finding the kube-apiserver (give --kubeconfig when not running in a pod): %w", err)
	}
	config = rest.AddUserAgent(config, "yurt-apiserver")
	config.QPS = -1 // requests of ours follow from requests to us, which are limited
	kubernetesClient, err1 := kubernetes.NewForConfig(config)
	dynamicClient, err2 := dynamic.NewForConfig(config)
	metadataClient, err3 := metadata.NewForConfig(config)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("making clients of the kube-apiserver: %w", err)
	}
	return &clients{kubernetesClient, dynamicClient, metadataClient}, nil
}
