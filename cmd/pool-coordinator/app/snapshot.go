// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// newSnapshotCommand returns the commands that save and restore a pool's objects.
func newSnapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Save a pool's objects to a file, or restore them from one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	setHelp(cmd, cliflag.NamedFlagSets{})
	cmd.AddCommand(newSnapshotSaveCommand(), newSnapshotRestoreCommand())
	return cmd
}

func newSnapshotSaveCommand() *cobra.Command {
	o := NewOptions()
	cmd := &cobra.Command{
		Use:   "save FILE",
		Short: "Save the objects of a running coordinator to a file",
		Long: `save writes all that a running coordinator has in its etcd to a file, as of one moment:
objects, Secrets among them, and the keys of the tokens that the pool issues. Keep the
file as safe as the machine. It is a snapshot as etcdctl makes it.`,
		Example: `  pool-coordinator snapshot save /mnt/backup/hangzhou.db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.completeStorage()
			if err := etcd.SaveSnapshot(cmd.Context(), o.Server.Storage.DataDir, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "saved to", args[0])
			return nil
		},
	}
	addDataDirFlag(cmd, o, nil)
	return cmd
}

func newSnapshotRestoreCommand() *cobra.Command {
	o := NewOptions()
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore objects from a file into a stopped coordinator's empty data",
		Long: `restore makes the data of a coordinator from a snapshot. The coordinator must not be
running, and its directory etcd must be empty or missing: move it aside first. Clients
are told to list everything anew, as they may have seen what was written after the
snapshot. Where a pool has several coordinators, stop them all, restore each from the
same file, with the flags that it is started with, and then start them.`,
		Example: `  mv /var/lib/pool-coordinator/etcd /var/lib/pool-coordinator/etcd.old
  pool-coordinator snapshot restore /mnt/backup/hangzhou.db`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.completeStorage()
			config := etcd.Config{Dir: o.Server.Storage.DataDir, QuotaBytes: o.Server.Storage.Quota.Value()}
			if len(o.cluster.Members) > 0 {
				if o.Pool == "" {
					return errors.New("--pool must be given with --initial-cluster")
				}
				pki, err := o.openPKI()
				if err != nil {
					return err
				}
				config.Cluster = o.cluster.cluster(o.Pool, pki)
			}
			if err := etcd.Restore(cmd.Context(), args[0], config); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "restored to", config.Dir)
			return nil
		},
	}
	addDataDirFlag(cmd, o, func(fss *cliflag.NamedFlagSets) {
		fs := fss.FlagSet("Coordinators")
		fs.StringVar(&o.Pool, "pool", o.Pool, "Name of the NodePool. Required with --initial-cluster.")
		fs.StringSliceVar(&o.Hosts, "serving-hosts", o.Hosts, "The coordinator's --serving-hosts.")
		o.cluster.addFlags(fs)
	})
	return cmd
}

// addDataDirFlag adds the flag --data-dir, and what more adds.
func addDataDirFlag(cmd *cobra.Command, o *Options, more func(*cliflag.NamedFlagSets)) {
	var fss cliflag.NamedFlagSets
	fss.FlagSet("Data").StringVar(&o.DataDir, "data-dir", o.DataDir, "The coordinator's --data-dir.")
	if more != nil {
		more(&fss)
	}
	for _, fs := range fss.FlagSets {
		cmd.Flags().AddFlagSet(fs)
	}
	setHelp(cmd, fss)
}
