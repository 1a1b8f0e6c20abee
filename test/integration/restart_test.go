// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRestartForbidsNobody restarts the server under readers: they may be told
// to come back later, but never that they are not allowed to.
func TestRestartForbidsNobody(t *testing.T) {
	const (
		restarts = 3
		readers  = 4
	)
	c := newCloud(t)
	server := newServer(t, c, "restarted", "--etcd-data-dir="+filepath.Join(c.Dir, "restarted"))
	register(t, c, server.Port, server)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	for range readers {
		reading.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Steppe.AppsV1beta2().NodePools().List(ctx, metav1.ListOptions{}); apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range restarts {
		server.Kill()
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "reading after the restart", func(ctx context.Context) error {
			_, err := c.Steppe.AppsV1beta2().NodePools().List(ctx, metav1.ListOptions{})
			return err
		})
	}
}
