// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app assembles pool-coordinator.
package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/term"
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
	cmd.AddCommand(newLoadCommand())

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

// setHelp shows flags by topic.
func setHelp(cmd *cobra.Command, fss cliflag.NamedFlagSets) {
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, fss, columns)
}

// Run serves until ctx is done, or until the storage is lost. The order of the
// end is: the server drains (see package apiserver), then the storage closes.
func Run(ctx context.Context, o *Options) (err error) {
	logger := klog.FromContext(ctx)
	saveMemory()
	logger.Info("Starting", "version", version.Get().GitVersion, "pool", o.Pool)

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
	var renewing sync.WaitGroup
	defer renewing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if serving := o.Server.Recommended.SecureServing; serving.ServerCert.CertKey.CertFile == "" {
		pki, err := poolpki.Open(poolpki.Config{Dir: filepath.Join(o.DataDir, "pki"), Pool: o.Pool, Hosts: o.Hosts})
		if err != nil {
			return fmt.Errorf("keeping the certificates of the pool: %w", err)
		}
		serving.ServerCert.CertKey.CertFile, serving.ServerCert.CertKey.KeyFile = pki.Serving()
		renewing.Go(func() { pki.Run(ctx) })
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
		Replicas:              1,
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
	if err := server.Generic.AddPostStartHook("release-start", func(hook genericapiserver.PostStartHookContext) error {
		go func() {
			select {
			case <-time.After(settling):
				releaseStart(klog.FromContext(hook))
			case <-hook.Done():
			}
		}()
		return nil
	}); err != nil {
		return err
	}
	return server.Run(ctx)
}

// settling is how long after the start most of it is over.
const settling = 5 * time.Second
