// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// clientCAPatience is how long a starting server waits for the CA of the front
// proxy. It has just talked to the kube-apiserver, which has it.
const clientCAPatience = time.Minute

// waitForClientCA keeps a server from taking connections before it knows whose
// certificates to ask for. Left alone it starts to listen first: a kube-apiserver
// that connects in that moment finds none of its certificates asked for and sends
// none, and all that it passes on over that connection, for as long as it lives,
// comes from nobody and is forbidden.
func waitForClientCA(config *genericapiserver.Config) {
	header := config.Authentication.RequestHeaderConfig
	if config.SecureServing == nil || config.SecureServing.ClientCA == nil || header == nil {
		return
	}
	config.SecureServing.ClientCA = &loadedCA{
		CAContentProvider: config.SecureServing.ClientCA,
		frontProxy:        header.CAContentProvider,
	}
}

// loadedCA has been loaded when its RunOnce returns, which the server waits for
// before it listens.
type loadedCA struct {
	dynamiccertificates.CAContentProvider
	frontProxy dynamiccertificates.CAContentProvider
}

// RunOnce starts what loads the CAs, and waits until it has.
func (c *loadedCA) RunOnce(ctx context.Context) error {
	runner, ok := c.CAContentProvider.(dynamiccertificates.ControllerRunner)
	if !ok {
		return nil // it has been loaded for good
	}
	go runner.Run(ctx, 1)
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, clientCAPatience, true, func(context.Context) (bool, error) {
		return len(c.frontProxy.CurrentCABundleContent()) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the CA of the front proxy in ConfigMap kube-system/extension-apiserver-authentication: %w", err)
	}
	return nil
}

// Run waits: RunOnce has started what there is to run.
func (c *loadedCA) Run(ctx context.Context, _ int) { <-ctx.Done() }
