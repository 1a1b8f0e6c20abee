// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app assembles pool-coordinator.
package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/poolpki"
	"github.com/steppe-io/steppe/pkg/shadow"
)

// NewCommand returns the command. It serves until ctx is done.
func NewCommand(ctx context.Context) *cobra.Command {
	o := NewOptions()
	showVersion := false
	cmd := &cobra.Command{
		Use:   "pool-coordinator",
		Short: "Serve a pool's own Kubernetes API",
		Long: `pool-coordinator serves the Kubernetes API of a pool at the site of the pool, for
when the cloud cannot be reached: kubelets, kube-proxy, kubectl and any other
client use it as they use a kube-apiserver. It trusts whom the cluster trusts, and
asks nobody.

Objects are kept in an etcd inside the process, in --data-dir.`,
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
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(newLoadCommand(), newSnapshotCommand(), newMemberCommand())

	var fss cliflag.NamedFlagSets
	o.AddFlags(&fss)
	fss.FlagSet("Global").BoolVar(&showVersion, "version", false, "Print the version and exit.")
	globalflag.AddGlobalFlags(fss.FlagSet("Global"), cmd.Name())
	for _, fs := range fss.FlagSets {
		cmd.Flags().AddFlagSet(fs)
	}
	setHelp(cmd, fss)
	return cmd
}

// Run serves until ctx is done, or until the storage is lost. The order of the
// end is: the server drains (see package apiserver), then the storage closes.
func Run(ctx context.Context, o *Options) (err error) {
	logger := klog.FromContext(ctx)
	saveMemory(ctx)
	logger.Info("Starting", "version", version.Get().GitVersion, "pool", o.Pool)

	pki, err := o.openPKI()
	if err != nil {
		return err
	}
	o.Server.Storage.Cluster = o.cluster.cluster(o.Pool, pki)
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { pki.Run(ctx) })
	defer renewing.Wait()
	defer cancel()

	storage, err := openStorage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, storage.Close()) }()

	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, o, storage, pki) }()
	select {
	case err := <-ended:
		return err
	case <-storage.Failed():
		// Nothing can be answered truthfully any more, so nothing is drained.
		return fmt.Errorf("storage is lost: %w", storage.Failure())
	}
}

// serve assembles the server, top to bottom, and runs it.
func serve(ctx context.Context, o *Options, storage *apiserver.Storage, pki *poolpki.PKI) error {
	if pair := &o.Server.Recommended.SecureServing.ServerCert.CertKey; pair.CertFile == "" {
		pair.CertFile, pair.KeyFile = pki.Serving()
	}
	if audit := o.Server.Recommended.Audit; audit.PolicyFile == "" {
		if err := writeAuditPolicy(o.auditPolicyFile()); err != nil {
			return err
		}
		audit.PolicyFile = o.auditPolicyFile()
	}
	ranges, err := o.serviceRanges()
	if err != nil {
		return err
	}
	server, err := shadow.New(ctx, shadow.Config{
		Pool:                  o.Pool,
		Replicas:              o.cluster.replicas(),
		Options:               o.Server,
		Storage:               storage,
		Etcd:                  storage.Client(),
		ClientCAFile:          o.ClientCAFile,
		FrontProxyCAFile:      o.FrontProxyCAFile,
		FrontProxyNames:       o.FrontProxyNames,
		ServiceAccountKeyFile: o.ServiceAccountKeyFile,
		ServiceAccountIssuers: o.ServiceAccountIssuers,
		Audiences:             o.Audiences,
		PoolIssuer:            o.PoolIssuer,
		ServiceRanges:         ranges,
		NodePorts:             o.NodePorts,
		Kubelet:               o.Kubelet,
		EventTTL:              o.EventTTL,
	})
	if err != nil {
		return err
	}
	if err := server.Generic.AddPostStartHook("release-memory", func(hook genericapiserver.PostStartHookContext) error {
		go releaseMemory(hook)
		return nil
	}); err != nil {
		return err
	}
	return server.Run(ctx)
}
