// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package app assembles yurt-manager: its flags, its controllers, and the
// manager that runs them.
package app

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Name of the program.
const Name = "yurt-manager"

// NewCommand returns the command line of yurt-manager. It runs until the
// command's context ends, or the Lease is lost.
func NewCommand() *cobra.Command {
	options := NewOptions()
	flags := options.Flags()
	command := &cobra.Command{
		Use:   Name,
		Short: "Run the cloud controllers of Steppe",
		Long: `Runs the controllers that extend a Kubernetes cluster to the edge. Any number
of replicas may run; the controllers work in one of them at a time.`,
		Version:       version.Get().String(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := logsapi.ValidateAndApply(options.Logging, nil); err != nil {
				return err
			}
			ctrllog.SetLogger(klog.Background())
			cliflag.PrintFlags(cmd.Flags())
			config, err := options.Config()
			if err != nil {
				return err
			}
			return Run(cmd.Context(), config)
		},
	}
	command.Flags().SortFlags = false
	global := flags.FlagSet("global")
	global.BoolP("help", "h", false, "Help for "+command.Name()+".")
	global.Bool("version", false, "Print the version and quit.")
	for _, set := range flags.FlagSets {
		set.VisitAll(func(flag *pflag.Flag) { command.Flags().AddFlag(flag) })
	}
	cliflag.SetUsageAndHelpFunc(command, flags, 0)
	return command
}
