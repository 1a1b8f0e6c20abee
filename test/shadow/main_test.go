// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shadow tests a pool's server as its clients see it.
package shadow

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/steppe-io/steppe/test/pool"
	"github.com/steppe-io/steppe/test/process"
)

// What the tests share: a coordinator, and an administrator's client of it.
var (
	shared *pool.Pool
	admin  kubernetes.Interface
)

func TestMain(m *testing.M) {
	process.Main(pool.Programs)
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "steppe-shadow-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := start(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	defer func() {
		for _, end := range slices.Backward(atEnd) {
			end()
		}
	}()
	return m.Run()
}

func start(dir string) (err error) {
	if shared, err = pool.New(pool.Config{Dir: dir}); err != nil {
		return err
	}
	if err := shared.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := shared.WaitReady(ctx); err != nil {
		return err
	}
	config, err := shared.AdminConfig()
	if err != nil {
		return err
	}
	admin, err = kubernetes.NewForConfig(config)
	return err
}

func TestServes(t *testing.T) {
	v, err := admin.Discovery().ServerVersion()
	t.Log(v, err)
}
