// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
	"github.com/steppe-io/steppe/pkg/controller/watchcache"
)

// shutdownTimeout is how long work in progress has to end before the Lease is
// given back. It is less than the 30 s that a pod has.
const shutdownTimeout = 20 * time.Second

// The times of leader election are those of kube-controller-manager.
const (
	// leaseDuration is how long the next replica waits for one that has
	// disappeared without giving the Lease back.
	leaseDuration = 15 * time.Second
	// renewDeadline is how long the leader tries to renew the Lease before it
	// gives up. The difference is for clocks that do not run equally fast, and
	// for writes that are still under way.
	renewDeadline = 10 * time.Second
	// retryPeriod is the time between two tries to get or renew the Lease.
	retryPeriod = 2 * time.Second
)

// Run runs yurt-manager until the context ends:
//
//  1. probes and metrics are served: live, not ready;
//  2. each controller is added when the API it needs is served, and its cache
//     fills, leader or not: ready;
//  3. with the Lease, the controllers work;
//  4. at the end they finish what they are doing, the caches stop, and the
//     Lease is released, so that the next replica need not wait for it.
//
// Then everything that it has started has ended, and Run returns. It returns an
// error, and does not wait, if the Lease is lost or the end takes longer than
// shutdownTimeout: somebody else may work already, and the process must end.
func Run(ctx context.Context, config *Config) error {
	logger := klog.FromContext(ctx)
	logger.Info("Started yurt-manager", "version", version.Get().GitVersion)

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1beta2.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("build the scheme: %w", err)
		}
	}
	mgr, err := manager.New(config.REST, manager.Options{
		Scheme:                        scheme,
		MapperProvider:                newMapper,
		Logger:                        logger,
		Cache:                         watchcache.Options(),
		BaseContext:                   func() context.Context { return context.WithoutCancel(ctx) },
		LeaderElection:                config.LeaderElect,
		LeaderElectionID:              config.LeaderElectResource,
		LeaderElectionNamespace:       config.WorkingNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		RetryPeriod:                   ptr.To(retryPeriod),
		Metrics:                       metricsserver.Options{BindAddress: config.MetricsAddr},
		HealthProbeBindAddress:        config.HealthProbeAddr,
		GracefulShutdownTimeout:       ptr.To(shutdownTimeout),
		// Names are constants in one table. The check counts for the whole
		// process, and would keep a test from running two managers.
		Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	starter, err := newStarter(mgr, &config.Options)
	if err != nil {
		return err
	}
	if err := mgr.Add(starter); err != nil {
		return fmt.Errorf("add the controllers: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add the liveness check: %w", err)
	}
	if err := mgr.AddReadyzCheck("controllers", starter.ready); err != nil {
		return fmt.Errorf("add the readiness check: %w", err)
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	logger.Info("Stopped yurt-manager")
	return nil
}

// newMapper returns a mapper that knows the kinds that the options of the cache
// name. The manager asks for their scope while it is set up, when nobody may
// serve them yet; for everything else, it asks the server.
func newMapper(config *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	known := meta.NewDefaultRESTMapper(nil)
	known.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	known.Add(appsv1beta2.SchemeGroupVersion.WithKind("NodePool"), meta.RESTScopeRoot)
	served, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		return nil, err
	}
	return meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{known, served}}, nil
}
