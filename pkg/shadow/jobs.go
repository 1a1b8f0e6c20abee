// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"sync"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
)

// jobsPatience is how long an ending server waits for its jobs. They wait for
// nobody but the server itself and its etcd.
const jobsPatience = 5 * time.Second

// jobs are what a server does beside serving. They are its clients, so they end
// before it stops to serve.
type jobs struct {
	mu      sync.Mutex // guards the fields below, and running.Add against running.Wait
	ended   bool
	cancels []context.CancelFunc

	running sync.WaitGroup
}

// add has a job run while the server does. The job ends when its context does.
func (j *jobs) add(config *genericapiserver.RecommendedConfig, name string, job func(context.Context)) error {
	return config.AddPostStartHook(name, func(hook genericapiserver.PostStartHookContext) error {
		j.start(klog.NewContext(hook, klog.FromContext(hook).WithValues("job", name)), job)
		return nil
	})
}

func (j *jobs) start(ctx context.Context, job func(context.Context)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	j.cancels = append(j.cancels, cancel)
	j.running.Go(func() { job(ctx) })
}

// end ends the jobs and waits for them. There are none afterwards.
func (j *jobs) end() {
	j.mu.Lock()
	j.ended = true
	for _, cancel := range j.cancels {
		cancel()
	}
	j.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		j.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(jobsPatience):
		klog.Background().Info("Stopped waiting for jobs of the server to end", "patience", jobsPatience)
	}
}
