// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pool-coordinator serves a pool's own Kubernetes API, at the site of the
// pool.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json

	"github.com/steppe-io/steppe/cmd/pool-coordinator/app"
)

func main() {
	os.Exit(cli.Run(app.NewCommand(genericapiserver.SetupSignalContext())))
}
