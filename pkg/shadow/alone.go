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
	// resignPatience bounds giving an office up, for which etcd must be well.
	resignPatience = 2 * time.Second
)

// alone runs a job while the server runs, in one coordinator of the pool at a time.
// The job ends when its context does, which may be because another coordinator is
// about to take over.
func (c *Config) alone(jobs *jobs, generic *genericapiserver.RecommendedConfig, name string, job func(context.Context)) error {
	return jobs.add(generic, name, func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := c.elected(ctx, name, job); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Info("Lost an election among the coordinators, will stand again", "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(electionPause):
			}
		}
	})
}

// elected runs the job once this coordinator is the one, for as long as it is.
// Then it makes room for another.
func (c *Config) elected(ctx context.Context, name string, job func(context.Context)) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	// The session outlives ctx for as long as it takes to give it up: one that is
	// left to expire keeps others, and this one after a restart, from the job.
	alive, expire := context.WithCancel(context.WithoutCancel(ctx))
	defer expire()
	interrupt := context.AfterFunc(ctx, expire)
	session, err := concurrency.NewSession(c.Etcd, concurrency.WithTTL(electionSeconds), concurrency.WithContext(alive))
	if err != nil {
		return err
	}
	interrupt()
	defer func() {
		defer time.AfterFunc(resignPatience, expire).Stop()
		session.Close() // or it expires
	}()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-session.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	election := concurrency.NewElection(session, path.Join(elections, c.Pool, name))
	if err := election.Campaign(ctx, host); err != nil {
		return err
	}
	job(ctx)
	return nil
}
