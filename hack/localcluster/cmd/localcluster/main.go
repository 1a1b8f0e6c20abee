// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command localcluster brings up a Kubernetes cluster with edge nodes on this
// machine, and cuts its links, pulls its plugs and takes it down again. See
// package localcluster for what it is made of.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode()) // of the command that `exec` ran
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "localcluster",
		Short:         "A Kubernetes cluster with edge nodes on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&clusterName, "name", clusterName, "name of the cluster")
	root.AddCommand(newUp(), newDown(), newStatus(), newKubeconfig(), newSaveLogs(), newDeps(), newBinaries())
	root.AddCommand(machineCommands()...)
	return root
}
