// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"

	"github.com/spf13/pflag"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/steppe-io/steppe/pkg/apiserver"
)

const (
	// etcdPrefix keeps our keys apart from others' in a shared etcd.
	etcdPrefix = "/steppe"

	// defaultPort is above the ports that need privileges, and beside those of
	// OpenYurt's components.
	defaultPort = 10270
)

// Options are the flags of yurt-apiserver.
type Options struct {
	Server *apiserver.Options
	Logs   *logs.Options

	// WorkingNamespace is where the objects of the server itself live.
	WorkingNamespace string
	// ServiceName is the Service that the APIServices point at.
	ServiceName string
	// ManageServingCert has the server issue its own certificate.
	ManageServingCert bool
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	o := &Options{
		Server:            apiserver.NewOptions(apiserver.NewStorageOptions(etcdPrefix, "/var/lib/yurt-apiserver")),
		Logs:              logs.NewOptions(),
		WorkingNamespace:  "kube-system",
		ServiceName:       "yurt-apiserver",
		ManageServingCert: true,
	}
	o.Server.Recommended.SecureServing.BindPort = defaultPort
	return o
}

// AddFlags adds all flags, by topic.
func (o *Options) AddFlags(fss *cliflag.NamedFlagSets) {
	o.addOwnFlags(fss.FlagSet("Yurt-apiserver"))
	o.Server.AddFlags(fss)
	logsapi.AddFlags(o.Logs, fss.FlagSet("Logs"))
}

func (o *Options) addOwnFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.WorkingNamespace, "working-namespace", o.WorkingNamespace,
		"Namespace of the server's Service, of the Secret with its certificate and of the ConfigMap that says which data directory is this cluster's.")
	fs.StringVar(&o.ServiceName, "service-name", o.ServiceName,
		"Name of the Service through which the kube-apiserver reaches this server. The serving certificate is made out to it.")
	fs.BoolVar(&o.ManageServingCert, "manage-serving-cert", o.ManageServingCert,
		"Issue the serving certificate, keep it in Secret <service-name>-certs and write its CA into the APIServices. Turn it off where another tool, such as cert-manager, does that. Without effect if --tls-cert-file is given.")
}

// Complete fills in what follows from other options.
func (o *Options) Complete() error {
	if o.Server.Recommended.SecureServing.ServerCert.CertKey.CertFile != "" {
		o.ManageServingCert = false
	}
	return o.Server.Complete()
}

// Validate returns all that is wrong with the options.
func (o *Options) Validate() error {
	errs := []error{logsapi.ValidateAndApply(o.Logs, nil), o.Server.Validate()}
	if problems := utilvalidation.IsDNS1123Label(o.WorkingNamespace); len(problems) > 0 {
		errs = append(errs, errors.New("--working-namespace must be the name of a namespace: "+problems[0]))
	}
	if problems := utilvalidation.IsDNS1035Label(o.ServiceName); len(problems) > 0 {
		errs = append(errs, errors.New("--service-name must be the name of a service: "+problems[0]))
	}
	return errors.Join(errs...)
}
