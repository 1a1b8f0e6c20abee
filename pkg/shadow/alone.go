// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"os"
	"path"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
)

const (
	// elections is where in etcd it is told which coordinator does what one alone
	// is to do.
	elections = "/steppe/elections"
	// electionSeconds is how long after a coordinator has vanished another takes
	// its place.
	electionSeconds = 15
	// electionPause is how long a coordinator waits after an election went wrong.
	electionPause = 5 * time.Second
)

// alone runs a job while the server runs, in one coordinator of the pool at a time.
// The job ends when its context does, which may be because another coordinator is
// about to take over.
func (c *Config) alone(generic *genericapiserver.RecommendedConfig, name string, job func(context.Context)) error {
	return generic.AddPostStartHook(name, func(hook genericapiserver.PostStartHookContext) error {
		go func() {
			logger := klog.FromContext(hook).WithValues("job", name)
			for hook.Err() == nil {
				if err := c.elected(hook, name, job); err != nil && hook.Err() == nil {
					logger.Info("Lost an election among the coordinators, will stand again", "err", err)
				}
				select {
				case <-hook.Done():
				case <-time.After(electionPause):
				}
			}
		}()
		return nil
	})
}

// elected runs the job once this coordinator is the one, for as long as it is.
func (c *Config) elected(ctx context.Context, name string, job func(context.Context)) error {
	session, err := concurrency.NewSession(c.Etcd, concurrency.WithTTL(electionSeconds), concurrency.WithContext(ctx))
	if err != nil {
		return err
	}
	defer session.Close()
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	election := concurrency.NewElection(session, path.Join(elections, c.Pool, name))
	if err := election.Campaign(ctx, host); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-session.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	job(ctx)
	return nil
}
