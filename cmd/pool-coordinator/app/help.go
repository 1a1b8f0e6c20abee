// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/term"
)

// setHelp shows flags by topic, and commands.
func setHelp(cmd *cobra.Command, fss cliflag.NamedFlagSets) {
	cmd.Long = cmp.Or(cmd.Long, cmd.Short+".")
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, fss, columns)
	help, usage := cmd.HelpFunc(), cmd.UsageFunc()
	cmd.SetHelpFunc(func(c *cobra.Command, args []string) {
		help(c, args)
		listCommands(c)
	})
	cmd.SetUsageFunc(func(c *cobra.Command) error {
		if err := usage(c); err != nil {
			return err
		}
		listCommands(c)
		return nil
	})
}

func listCommands(cmd *cobra.Command) {
	out := cmd.OutOrStdout()
	if cmd.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n\n%s\n", cmd.Example)
	}
	if !cmd.HasAvailableSubCommands() {
		return
	}
	fmt.Fprint(out, "\nCommands:\n\n")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(out, "  %-10s %s\n", sub.Name(), sub.Short)
		}
	}
}
