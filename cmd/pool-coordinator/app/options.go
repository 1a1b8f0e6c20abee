// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/steppe-io/steppe/pkg/apiserver"
	"github.com/steppe-io/steppe/pkg/shadow/kubelet"
)

const (
	// etcdPrefix is where a kube-apiserver keeps its objects, so that what reads
	// the one's etcd reads the other's.
	etcdPrefix = "/registry"

	// defaultPort is beside those of Steppe's other programs.
	defaultPort = 10273

	// quotaBytes suits a site: 300 nodes with their pods take less than a tenth.
	quotaBytes = 512 << 20

	// auditMegabytes bounds each of the few files that the audit log has.
	auditMegabytes, auditBackups = 10, 3
)

// Options are the flags of pool-coordinator.
type Options struct {
	Server *apiserver.Options
	Logs   *logs.Options

	// Pool is the name of the NodePool.
	Pool string
	// DataDir holds all that the coordinator keeps.
	DataDir string
	// Hosts are names and addresses of the coordinator beside its machine's.
	Hosts []string

	cluster clusterOptions

	ClientCAFile          string
	FrontProxyCAFile      string
	FrontProxyNames       []string
	ServiceAccountKeyFile string
	ServiceAccountIssuers []string
	Audiences             []string
	PoolIssuer            string
	Kubelet               kubelet.Config
	EventTTL              time.Duration
	// ServiceRanges and NodePorts are what Services made on site get.
	ServiceRanges []string
	NodePorts     utilnet.PortRange
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	storage := apiserver.NewStorageOptions(etcdPrefix, "")
	storage.EmbeddedOnly = true
	storage.Etcd.DefaultStorageMediaType = runtime.ContentTypeProtobuf
	storage.Quota.Quantity = *resource.NewQuantity(quotaBytes, resource.BinarySI)
	o := &Options{
		Server:                apiserver.NewStandaloneOptions(storage),
		Logs:                  logs.NewOptions(),
		DataDir:               "/var/lib/pool-coordinator",
		ServiceAccountIssuers: []string{"https://kubernetes.default.svc.cluster.local"},
		EventTTL:              time.Hour,
		cluster:               newClusterOptions(),
	}
	o.Server.Recommended.SecureServing.BindPort = defaultPort
	utilruntime.Must(serveWatchesOnSmallStacks())
	// Nobody is at the site to wait for watches to end at their leisure.
	o.Server.Run.ShutdownWatchTerminationGracePeriod = shutdownGracePeriod
	audit := &o.Server.Recommended.Audit.LogOptions
	audit.MaxSize, audit.MaxBackups = auditMegabytes, auditBackups
	return o
}

// shutdownGracePeriod is how long an ending server gives its watchers. Its clients
// connect anew in any case, to this server a moment later.
const shutdownGracePeriod = time.Second

// AddFlags adds all flags, by topic.
func (o *Options) AddFlags(fss *cliflag.NamedFlagSets) {
	o.addOwnFlags(fss.FlagSet("Pool-coordinator"))
	o.cluster.addFlags(fss.FlagSet("Coordinators"))
	o.addIdentityFlags(fss.FlagSet("Identities"))
	o.addKubeletFlags(fss.FlagSet("Kubelets"))
	o.Server.AddFlags(fss)
	logsapi.AddFlags(o.Logs, fss.FlagSet("Logs"))
}

func (o *Options) addOwnFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Pool, "pool", o.Pool,
		"Name of the NodePool whose coordinator this is. Required.")
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir,
		"Directory for all that the coordinator keeps, on a disk that survives a power cut. etcd is in its subdirectory etcd, unless --etcd-data-dir says otherwise.")
	fs.StringSliceVar(&o.ServiceRanges, "service-cluster-ip-range", o.ServiceRanges,
		"CIDRs, one for each family at most, from which Services made on site get their ClusterIPs, such as 10.112.0.0/16. They must be the pool's alone: apart from the cluster's range of Services, of its pods, and from the site's network. Without it Services that need an address can only be made in the cloud.")
	fs.Var(&o.NodePorts, "service-node-port-range",
		"Node ports that Services made on site get, within 30000-32767, such as 32600-32767. They must be the pool's alone: have the kube-apiserver's flag of that name leave them out. Without it Services that need a node port can only be made in the cloud.")
	fs.StringSliceVar(&o.Hosts, "serving-hosts", o.Hosts,
		"Names and addresses by which the coordinator is reached, beside those of its machine, such as that of a load balancer. The certificates that it issues itself are made out to them too.")
	fs.DurationVar(&o.EventTTL, "event-ttl", o.EventTTL,
		"How long events are kept. Lower it where nodes have many pods that crash and the disk is small.")
}

func (o *Options) addIdentityFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClientCAFile, "client-ca-file", o.ClientCAFile,
		"File with the CA of the cluster's client certificates. Required. It is read again when it changes.")
	fs.StringVar(&o.ServiceAccountKeyFile, "service-account-key-file", o.ServiceAccountKeyFile,
		"File with the public keys, in PEM, that verify the cluster's service account tokens. Required. It is read again when it changes.")
	fs.StringSliceVar(&o.ServiceAccountIssuers, "service-account-issuer", o.ServiceAccountIssuers,
		"Issuers of the cluster's service account tokens, as the kube-apiserver's flag of that name.")
	fs.StringSliceVar(&o.Audiences, "api-audiences", o.Audiences,
		"Audiences that tokens must be for. By default those of --service-account-issuer.")
	fs.StringVar(&o.PoolIssuer, "pool-service-account-issuer", o.PoolIssuer,
		"Issuer that the pool's own tokens name. No other pool may have the same. By default https://pool-coordinator.<pool>.steppe.io")
	fs.StringVar(&o.FrontProxyCAFile, "requestheader-client-ca-file", o.FrontProxyCAFile,
		"File with the CA of those who may speak for others by X-Remote headers. Without it nobody may.")
	fs.StringSliceVar(&o.FrontProxyNames, "requestheader-allowed-names", o.FrontProxyNames,
		"Common names that those who speak for others may have. Required with --requestheader-client-ca-file.")
}

func (o *Options) addKubeletFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubelet.CAFile, "kubelet-certificate-authority", o.Kubelet.CAFile,
		"File with the CA of the kubelets' serving certificates. Required.")
	fs.StringVar(&o.Kubelet.CertFile, "kubelet-client-certificate", o.Kubelet.CertFile,
		"File with the client certificate that kubelets obey. Required. It is read again when it changes.")
	fs.StringVar(&o.Kubelet.KeyFile, "kubelet-client-key", o.Kubelet.KeyFile,
		"File with the key of --kubelet-client-certificate. Required.")
}

// Complete fills in what follows from other options.
func (o *Options) Complete() error {
	if o.PoolIssuer == "" && o.Pool != "" {
		o.PoolIssuer = "https://pool-coordinator." + o.Pool + ".steppe.io"
	}
	o.completeStorage()
	if audit := o.Server.Recommended.Audit; audit.LogOptions.Path == "" && o.DataDir != "" {
		audit.LogOptions.Path = filepath.Join(o.DataDir, "audit", "audit.log")
	}
	o.Kubelet.ServerPorts = []int{o.Server.Recommended.SecureServing.BindPort}
	return o.Server.Complete()
}

// completeStorage says where etcd's data is.
func (o *Options) completeStorage() {
	if o.Server.Storage.DataDir == "" && o.DataDir != "" {
		o.Server.Storage.DataDir = filepath.Join(o.DataDir, "etcd")
	}
}

// Validate returns all that is wrong with the options.
func (o *Options) Validate() error {
	errs := []error{logsapi.ValidateAndApply(o.Logs, nil), o.Server.Validate()}
	if problems := utilvalidation.IsDNS1123Label(o.Pool); len(problems) > 0 {
		errs = append(errs, errors.New("--pool must be the name of a NodePool: "+problems[0]))
	}
	for flag, value := range map[string]string{
		"--client-ca-file": o.ClientCAFile, "--service-account-key-file": o.ServiceAccountKeyFile, "--data-dir": o.DataDir,
		"--kubelet-certificate-authority": o.Kubelet.CAFile, "--kubelet-client-certificate": o.Kubelet.CertFile, "--kubelet-client-key": o.Kubelet.KeyFile,
	} {
		if value == "" {
			errs = append(errs, errors.New(flag+" must be given"))
		}
	}
	if len(o.ServiceAccountIssuers) == 0 {
		errs = append(errs, errors.New("--service-account-issuer must name at least one issuer"))
	}
	if (o.FrontProxyCAFile == "") != (len(o.FrontProxyNames) == 0) {
		errs = append(errs, errors.New("--requestheader-client-ca-file and --requestheader-allowed-names must be given together"))
	}
	serving := o.Server.Recommended.SecureServing
	if serving.BindPort == 0 {
		errs = append(errs, errors.New("--secure-port must be a port: nothing else is served"))
	}
	if pair := serving.ServerCert.CertKey; (pair.CertFile == "") != (pair.KeyFile == "") {
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file must be given together"))
	}
	errs = append(errs, o.cluster.validate()...)
	if _, err := o.serviceRanges(); err != nil {
		errs = append(errs, err)
	}
	if least := time.Minute; o.EventTTL < least {
		errs = append(errs, fmt.Errorf("--event-ttl must be %s or more, not %s", least, o.EventTTL))
	}
	return errors.Join(errs...)
}

// serviceRanges parses the ranges.
func (o *Options) serviceRanges() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range o.ServiceRanges {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--service-cluster-ip-range must be CIDRs, such as 10.112.0.0/16: %w", err)
		}
		list = append(list, prefix)
	}
	return list, nil
}
