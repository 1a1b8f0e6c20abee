// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// newMemberCommand returns the commands about the coordinators of a pool.
func newMemberCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "member",
		Short: "List, replace or remove coordinators of a pool that has several",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, cliflag.NamedFlagSets{})
	cmd.AddCommand(
		memberCommand(&cobra.Command{
			Use:   "list",
			Short: "List the coordinators of the pool",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, client *clientv3.Client, _ []string) error {
			members, err := etcd.Members(cmd.Context(), client)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(w, "NAME\tADDRESS\tSTARTED\tLEADER")
			for _, m := range members {
				fmt.Fprintf(w, "%s\t%s\t%t\t%t\n", m.Name, m.PeerURL, m.Started, m.Leader)
			}
			return w.Flush()
		}),
		memberCommand(&cobra.Command{
			Use:   "replace NAME URL",
			Short: "Have a coordinator replaced that has lost its data",
			Long: `replace tells the coordinators of a pool that the one of that name has lost its data, or
is to be another machine. Run it on one of those that are well. Then start the new one,
with an empty --data-dir but for the pool's CA in pki, --name NAME, URL as its own in
--initial-cluster, and --initial-cluster-state existing.`,
			Example: `  pool-coordinator member replace edge-3 https://192.0.2.3:2380`,
			Args:    cobra.ExactArgs(2),
		}, func(cmd *cobra.Command, client *clientv3.Client, args []string) error {
			return etcd.ReplaceMember(cmd.Context(), client, args[0], args[1])
		}),
		memberCommand(&cobra.Command{
			Use:   "remove NAME",
			Short: "Take a coordinator out of the pool for good",
			Args:  cobra.ExactArgs(1),
		}, func(cmd *cobra.Command, client *clientv3.Client, args []string) error {
			return etcd.RemoveMember(cmd.Context(), client, args[0])
		}),
	)
	return cmd
}

// memberCommand completes a command that asks the coordinator of this machine.
func memberCommand(cmd *cobra.Command, run func(*cobra.Command, *clientv3.Client, []string) error) *cobra.Command {
	o := NewOptions()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.completeStorage()
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		client, err := etcd.Connect(ctx, o.Server.Storage.DataDir)
		if err != nil {
			return err
		}
		defer client.Close()
		return run(cmd, client, args)
	}
	addDataDirFlag(cmd, o, nil)
	return cmd
}
