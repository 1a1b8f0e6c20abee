// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command yurt-manager runs the cloud controllers of Steppe.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"github.com/steppe-io/steppe/cmd/yurt-manager/app"
)

func main() {
	command := app.NewCommand()
	command.SetContext(signals.SetupSignalHandler())
	os.Exit(cli.Run(command))
}
