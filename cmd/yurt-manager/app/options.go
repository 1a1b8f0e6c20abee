// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/version"
)

// Options are the flags of yurt-manager.
type Options struct {
	Kubeconfig       string
	QPS              float32
	Burst            int
	WorkingNamespace string

	LeaderElect         bool
	LeaderElectResource string

	MetricsAddr     string
	HealthProbeAddr string

	Controllers     []string
	NodePoolWorkers int

	Logging *logsapi.LoggingConfiguration
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{
		QPS:                 50,
		Burst:               100,
		WorkingNamespace:    "kube-system",
		LeaderElect:         true,
		LeaderElectResource: Name,
		MetricsAddr:         ":10271",
		HealthProbeAddr:     ":10272",
		Controllers:         []string{"*"},
		NodePoolWorkers:     3,
		Logging:             logsapi.NewLoggingConfiguration(),
	}
}

// Flags returns the flags by section. Their names are OpenYurt's.
func (o *Options) Flags() (sections cliflag.NamedFlagSets) {
	fs := sections.FlagSet("client")
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Path of a kubeconfig file for the kube-apiserver. Without it, the service account of the pod is used.")
	fs.Float32Var(&o.QPS, "rest-config-qps", o.QPS, "Requests per second that each client of the kube-apiserver may make on average. Raise it where many nodes change pools at once.")
	fs.IntVar(&o.Burst, "rest-config-burst", o.Burst, "Requests that each client may make at once after a quiet time.")
	fs.StringVar(&o.WorkingNamespace, "working-namespace", o.WorkingNamespace, "Namespace of the objects that yurt-manager keeps for itself, such as the Lease of its leader election.")

	fs = sections.FlagSet("leader election")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "Work only while holding a Lease, so that several replicas can run. Turn it off only where there is certainly one.")
	fs.StringVar(&o.LeaderElectResource, "leader-elect-resource-name", o.LeaderElectResource, "Name of that Lease.")

	fs = sections.FlagSet("serving")
	fs.StringVar(&o.MetricsAddr, "metrics-addr", o.MetricsAddr, "Address for /metrics, as host:port or :port. \"0\" turns it off.")
	fs.StringVar(&o.HealthProbeAddr, "health-probe-addr", o.HealthProbeAddr, "Address for /healthz and /readyz, as host:port or :port. \"0\" turns it off.")

	fs = sections.FlagSet("controllers")
	fs.StringSliceVar(&o.Controllers, "controllers", o.Controllers, "Controllers to run: \"*\" all of them, \"foo\" also foo, \"-foo\" but not foo. They are: "+strings.Join(controllerNames(), ", ")+".")
	fs.IntVar(&o.NodePoolWorkers, "concurrent-nodepool-workers", o.NodePoolWorkers, "Nodes, and node pools, that the nodepool controller works on at a time.")

	logsapi.AddFlags(o.Logging, sections.FlagSet("logs"))
	return sections
}

// Validate returns everything that is wrong with the options. The logging ones
// check themselves when they are applied.
func (o *Options) Validate() error {
	var errs []error
	wrong := func(flag, must string, got any) {
		errs = append(errs, fmt.Errorf("--%s must %s, not %v", flag, must, got))
	}
	if o.QPS <= 0 {
		wrong("rest-config-qps", "be greater than 0", o.QPS)
	}
	if o.Burst < 1 {
		wrong("rest-config-burst", "be 1 or more", o.Burst)
	}
	if len(validation.IsDNS1123Label(o.WorkingNamespace)) > 0 {
		wrong("working-namespace", "be the name of a namespace", fmt.Sprintf("%q", o.WorkingNamespace))
	}
	if len(validation.IsDNS1123Subdomain(o.LeaderElectResource)) > 0 {
		wrong("leader-elect-resource-name", "be a name of lower-case letters, digits, '-' and '.'", fmt.Sprintf("%q", o.LeaderElectResource))
	}
	for flag, address := range map[string]string{"metrics-addr": o.MetricsAddr, "health-probe-addr": o.HealthProbeAddr} {
		if address == "0" {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			wrong(flag, "be host:port, :port or 0", fmt.Sprintf("%q", address))
		}
	}
	if o.NodePoolWorkers < 1 {
		wrong("concurrent-nodepool-workers", "be 1 or more", o.NodePoolWorkers)
	}
	if unknown := unknownControllers(o.Controllers); len(unknown) > 0 {
		wrong("controllers", fmt.Sprintf("name only \"*\" and %s", strings.Join(controllerNames(), ", ")), strings.Join(unknown, ", "))
	}
	return errors.Join(errs...)
}

// Config is what the options come to: everything that Run needs.
type Config struct {
	Options
	// REST reaches the kube-apiserver.
	REST *rest.Config
}

// Config checks the options and loads what they point to.
func (o *Options) Config() (*Config, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	config := &Config{Options: *o}
	var err error
	if o.Kubeconfig == "" {
		config.REST, err = rest.InClusterConfig()
	} else {
		config.REST, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	config.REST.QPS, config.REST.Burst = o.QPS, o.Burst
	config.REST.UserAgent = Name + "/" + version.Get().GitVersion
	return config, nil
}
