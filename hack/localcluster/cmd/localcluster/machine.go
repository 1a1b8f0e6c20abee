// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/steppe-io/steppe/hack/localcluster"
)

// machineCommands are those that work on one machine.
func machineCommands() []*cobra.Command {
	blackHole := ""
	cut := onMachine("cut MACHINE", "Cut the machine's link, as if its cable was pulled", "is cut off; \"heal\" undoes it", func(ctx context.Context, m *localcluster.Machine) error {
		if blackHole != "" {
			return m.BlackHole(ctx, localcluster.Direction(blackHole))
		}
		return m.Cut(ctx)
	})
	cut.Flags().StringVar(&blackHole, "black-hole", "", "leave the link up but lose all packets: both, from (the machine) or to (it)")
	return []*cobra.Command{
		cut,
		onMachine("heal MACHINE", "Undo cut", "is connected again", func(ctx context.Context, m *localcluster.Machine) error { return m.Heal(ctx) }),
		onMachine("power-off MACHINE", "Pull the machine's plug", "is off; \"power-on\" boots it", func(ctx context.Context, m *localcluster.Machine) error { return m.PowerOff(ctx) }),
		onMachine("power-on MACHINE", "Boot the machine from its disk", "boots", func(ctx context.Context, m *localcluster.Machine) error { return m.PowerOn(ctx) }),
		onProcess("restart", "End a process in the orderly way and start it again", (*localcluster.Machine).RestartProcess),
		onProcess("kill", "End a process with SIGKILL; it is started again", (*localcluster.Machine).KillProcess),
		onProcess("stop", "End a process and leave it stopped", (*localcluster.Machine).StopProcess),
		onProcess("start", "Start a process that was stopped", (*localcluster.Machine).StartProcess),
		newExec(), newLogs(),
	}
}

func machine(name string) (*localcluster.Machine, error) {
	c, err := localcluster.Load(clusterName)
	if err != nil {
		return nil, err
	}
	return c.Machine(name)
}

// onMachine makes a command that does something to a machine and then says what
// is the matter with it.
func onMachine(use, short, done string, do func(context.Context, *localcluster.Machine) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := machine(args[0])
			if err != nil {
				return err
			}
			if err := do(cmd.Context(), m); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], done)
			return err
		},
	}
}

func onProcess(verb, short string, do func(*localcluster.Machine, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " MACHINE PROCESS", Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := machine(args[0])
			if err != nil {
				return err
			}
			return do(m, cmd.Context(), args[1])
		},
	}
}

func newExec() *cobra.Command {
	return &cobra.Command{
		Use:   "exec MACHINE [-- COMMAND...]",
		Short: "Run a command, or a shell, as root on the machine",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := machine(args[0])
			if err != nil {
				return err
			}
			// An interrupt is for the command, which gets it from the terminal.
			c, err := m.Command(context.WithoutCancel(cmd.Context()), args[1:]...)
			if err != nil {
				return err
			}
			c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
			return c.Run()
		},
	}
}

func newLogs() *cobra.Command {
	return &cobra.Command{
		Use:   "logs MACHINE [PROCESS]",
		Short: "Print the path of a process's log, or of the machine's init",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := machine(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), m.Log(append(args, "")[1]))
			return nil
		},
	}
}
