// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/steppe-io/steppe/hack/localcluster"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

// clusterName is the cluster that all commands work on.
var clusterName = localcluster.DefaultName

func newUp() *cobra.Command {
	opts := localcluster.Options{Progress: os.Stderr}
	install := true
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up, or to what the flags ask for; again changes only what is different",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Name, opts.SkipInstall = clusterName, !install
			c, err := localcluster.Up(cmd.Context(), opts)
			if err != nil {
				return err
			}
			printUsage(cmd.OutOrStdout(), c, install)
			return nil
		},
	}
	cmd.Flags().IntVar(&opts.Nodes, "nodes", 0, "number of edge nodes (2, or as many as there are)")
	cmd.Flags().IntVar(&opts.Pools, "pools", 0, "number of node pools (2, or as many as there are)")
	cmd.Flags().BoolVar(&install, "install", install, "install Steppe from this checkout")
	cmd.Flags().DurationVar(&opts.NodeMonitorGracePeriod, "node-monitor-grace-period", 0, "how long the cloud waits for a silent node (Kubernetes' default is 50s)")
	return cmd
}

// printUsage says how to go on.
func printUsage(out io.Writer, c *localcluster.Cluster, installed bool) {
	first := "kubectl get nodes -o wide"
	if installed {
		first = "kubectl get nodepools,nodes"
	}
	noProxy := ""
	if slices.ContainsFunc([]string{"HTTPS_PROXY", "https_proxy"}, func(name string) bool { return os.Getenv(name) != "" }) {
		noProxy = fmt.Sprintf("  export NO_PROXY=$NO_PROXY,%s\n", c.Cloud().IP())
	}
	fmt.Fprintf(out, `
  export PATH=%s:$PATH
  export KUBECONFIG=%s
%s
  %s
  kubectl run hello --image=%s -- serve
  go run ./hack/localcluster/cmd/localcluster --name=%s cut edge-1      # then: heal edge-1
`, c.BinDir(), c.Kubeconfig(), noProxy, first, localcluster.TestImage, c.Name())
}

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the cluster and all it left on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return localcluster.Down(cmd.Context(), clusterName, os.Stderr)
		},
	}
}

func newStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the machines and their processes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := localcluster.Load(clusterName)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			defer w.Flush()
			fmt.Fprintln(w, "MACHINE\tADDRESS\tPROCESS\tSTATE\tRESTARTS\tLAST EXIT")
			for _, m := range c.Machines() {
				printMachine(w, m)
			}
			return nil
		},
	}
}

func printMachine(w io.Writer, m *localcluster.Machine) {
	if !m.Running() {
		fmt.Fprintf(w, "%s\t%s\t-\toff\t\t\n", m.Name, m.IP())
		return
	}
	processes, err := m.Processes()
	if err != nil {
		fmt.Fprintf(w, "%s\t%s\t-\tunknown: %v\t\t\n", m.Name, m.IP(), err)
	}
	for _, p := range processes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", m.Name, m.IP(), p.Name, p.State, p.Restarts, p.LastExit)
	}
}

func newKubeconfig() *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := localcluster.Load(clusterName)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), c.Kubeconfig())
			return nil
		},
	}
}

func newSaveLogs() *cobra.Command {
	return &cobra.Command{
		Use:   "save-logs [DIR]",
		Short: "Copy the logs of all machines and pods to a folder, and show the end of Steppe's",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := localcluster.Load(clusterName)
			if err != nil {
				return err
			}
			var dir string
			if len(args) > 0 {
				dir = args[0]
			} else if dir, err = os.MkdirTemp("", "steppe-logs-"+clusterName+"-"); err != nil {
				return err
			}
			if err := c.SaveLogs(dir); err != nil {
				return err
			}
			if err := localcluster.TailSteppe(cmd.OutOrStdout(), dir); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "All logs of the cluster", clusterName, "are in", dir)
			return err
		},
	}
}

func newDeps() *cobra.Command {
	var install, check bool
	purposes := []string{string(localcluster.ForCluster)}
	cmd := &cobra.Command{
		Use:   "deps",
		Short: "List the Debian packages that this machine lacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var chosen []localcluster.Purpose
			for _, name := range purposes {
				if !slices.Contains(localcluster.Purposes, localcluster.Purpose(name)) {
					return fmt.Errorf("--for must be of %q, not %q", localcluster.Purposes, name)
				}
				chosen = append(chosen, localcluster.Purpose(name))
			}
			switch {
			case install:
				return localcluster.InstallPackages(cmd.Context(), os.Stderr, chosen...)
			case check:
				return localcluster.CheckPackages(chosen...)
			}
			if missing := localcluster.MissingPackages(chosen...); len(missing) > 0 {
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(missing, " "))
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&purposes, "for", purposes, "what they are needed for: cluster, tests")
	cmd.Flags().BoolVar(&install, "install", install, "install them with apt-get")
	cmd.Flags().BoolVar(&check, "check", check, "fail if there are any")
	return cmd
}

func newBinaries() *cobra.Command {
	return &cobra.Command{
		Use:   "binaries [NAME...]",
		Short: "Build the third-party programs that are not cached, and print their paths",
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 {
				names = binaries.All()
			}
			set, err := binaries.Ensure(cmd.Context(), binaries.Options{}, names...)
			if err != nil {
				return err
			}
			for _, name := range names {
				fmt.Fprintln(cmd.OutOrStdout(), set[name])
			}
			return nil
		},
	}
}
