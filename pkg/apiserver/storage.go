// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	etcdtransport "go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apiserver/pkg/registry/generic"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/egressselector"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// StorageOptions say where objects are kept: in an external etcd if the etcd
// servers are given, else in one embedded into the process.
type StorageOptions struct {
	// Etcd are the options of k8s.io/apiserver.
	Etcd *genericoptions.EtcdOptions
	// DataDir is where an embedded etcd keeps its data.
	DataDir string
	// Quota bounds the database of an embedded etcd.
	Quota resource.QuantityValue
	// Cluster makes an embedded etcd one of several. Nil means it is alone.
	Cluster *etcd.Cluster
	// EmbeddedOnly leaves no choice of an external etcd.
	EmbeddedOnly bool
	// UnsafeNoFsync gives up durability for speed. It has no flag.
	UnsafeNoFsync bool
}

// NewStorageOptions returns the defaults. All keys begin with prefix.
func NewStorageOptions(prefix, dataDir string) *StorageOptions {
	return &StorageOptions{
		Etcd:    genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig(prefix, nil)),
		DataDir: dataDir,
		Quota:   resource.QuantityValue{Quantity: *resource.NewQuantity(etcd.DefaultQuotaBytes, resource.BinarySI)},
	}
}

// AddFlags adds the flags of the options.
func (o *StorageOptions) AddFlags(fs *pflag.FlagSet) {
	notUsed := ""
	if o.EmbeddedOnly {
		fs.BoolVar(&o.Etcd.EnableWatchCache, "watch-cache", o.Etcd.EnableWatchCache,
			"Keep the objects that many clients watch in memory. Without it the server needs less memory and more of the processor.")
		fs.StringVar(&o.Etcd.EncryptionProviderConfigFilepath, "encryption-provider-config", o.Etcd.EncryptionProviderConfigFilepath,
			"File that says how Secrets are encrypted in etcd, as for a kube-apiserver. For machines that may be stolen; keep the key elsewhere.")
	} else {
		o.Etcd.AddFlags(fs)
		fs.Lookup("etcd-servers").Usage += " Leave it empty to run an etcd inside this process."
		notUsed = " Not used with --etcd-servers."
	}
	fs.StringVar(&o.DataDir, "etcd-data-dir", o.DataDir,
		"Directory in which an embedded etcd keeps its data. It must be on a local disk and belong to this process alone."+notUsed)
	fs.Var(&o.Quota, "etcd-quota-backend-bytes",
		"Largest size of the database of an embedded etcd, such as 512Mi. Writes beyond it are refused. Raise it when the metric apiserver_storage_size_bytes comes near."+notUsed)
}

// Validate returns what is wrong with the options.
func (o *StorageOptions) Validate() []error {
	if !o.Embedded() {
		return o.Etcd.Validate()
	}
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("--etcd-data-dir must name a directory, unless --etcd-servers is given"))
	}
	if least := int64(16 << 20); o.Quota.Value() < least {
		errs = append(errs, fmt.Errorf("--etcd-quota-backend-bytes must be 16Mi or more, not %s", o.Quota.String()))
	}
	transport := o.Etcd.StorageConfig.Transport
	if transport.CertFile != "" || transport.KeyFile != "" || transport.TrustedCAFile != "" {
		errs = append(errs, errors.New("--etcd-certfile, --etcd-keyfile and --etcd-cafile may only be used with --etcd-servers"))
	}
	return errs
}

// Embedded says whether the etcd is inside the process.
func (o *StorageOptions) Embedded() bool { return len(o.Etcd.StorageConfig.Transport.ServerList) == 0 }

// Storage is where a server keeps its objects.
type Storage struct {
	options genericoptions.EtcdOptions
	member  *etcd.Server // nil with an external etcd
	direct  *direct      // likewise
}

// Start starts the embedded etcd, if that is what the options say. The caller
// must Close the storage after the server that uses it has ended.
func (o *StorageOptions) Start(ctx context.Context) (*Storage, error) {
	storage := &Storage{options: *o.Etcd}
	if !o.Embedded() {
		return storage, nil
	}
	member, err := etcd.Start(ctx, etcd.Config{
		Dir:           o.DataDir,
		QuotaBytes:    o.Quota.Value(),
		Cluster:       o.Cluster,
		UnsafeNoFsync: o.UnsafeNoFsync,
	})
	if err != nil {
		return nil, err
	}
	storage.member = member
	storage.direct = newDirect(member, o.Etcd.StorageConfig)
	transport := &storage.options.StorageConfig.Transport
	transport.ServerList = []string{etcd.Endpoint}
	transport.EgressLookup = func(egressselector.NetworkContext) (utilnet.DialFunc, error) {
		return member.DialContext, nil
	}
	return storage, nil
}

// ClusterID identifies the etcd cluster, which keeps it for life. An external
// one is asked, over the connection that the options describe.
func (s *Storage) ClusterID(ctx context.Context) (string, error) {
	if s.member != nil {
		return s.member.ClusterID(), nil
	}
	const timeout = 10 * time.Second
	transport := s.options.StorageConfig.Transport
	config := clientv3.Config{Endpoints: transport.ServerList, DialTimeout: timeout, Logger: zap.NewNop()}
	if transport.TrustedCAFile != "" || transport.CertFile != "" {
		info := etcdtransport.TLSInfo{TrustedCAFile: transport.TrustedCAFile, CertFile: transport.CertFile, KeyFile: transport.KeyFile}
		tlsConfig, err := info.ClientConfig()
		if err != nil {
			return "", fmt.Errorf("reading the certificates for etcd: %w", err)
		}
		config.TLS = tlsConfig
	}
	client, err := clientv3.New(config)
	if err != nil {
		return "", fmt.Errorf("connecting to etcd: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A read that any client may do; its header has the ID.
	response, err := client.Get(ctx, s.options.StorageConfig.Prefix, clientv3.WithCountOnly())
	if err != nil {
		return "", fmt.Errorf("asking etcd at %s who it is: %w", strings.Join(transport.ServerList, ","), err)
	}
	return strconv.FormatUint(response.Header.ClusterId, 16), nil
}

// Client returns a client of the embedded etcd, nil with an external one. It ends
// with the storage; the caller does not close it.
func (s *Storage) Client() *clientv3.Client {
	if s.member == nil {
		return nil
	}
	return s.member.Client()
}

// Location says where the storage is, for a person to read.
func (s *Storage) Location() string {
	if s.member != nil {
		return s.member.Dir()
	}
	return strings.Join(s.options.StorageConfig.Transport.ServerList, ",")
}

// Failure says why the storage is lost, nil if it is not.
func (s *Storage) Failure() error {
	if s.member == nil {
		return nil
	}
	return s.member.Failure()
}

// Failed is closed when the storage is lost for good, which only an embedded one
// can be: an external one may come back.
func (s *Storage) Failed() <-chan struct{} {
	if s.member == nil {
		return nil
	}
	return s.member.Failed()
}

// Etcd returns a copy of the options of the etcd behind the server, for servers
// beside it that keep their objects there too.
func (c *Config) Etcd() genericoptions.EtcdOptions { return c.storage.options }

// Objects returns where objects are, for who reads and writes them without serving
// them. None are kept in memory.
func (s *Storage) Objects(api API) (generic.RESTOptionsGetter, error) {
	options := s.options
	options.SkipHealthEndpoints = true
	// Only a server's configuration takes up how objects are encrypted.
	config := genericapiserver.NewConfig(api.Codecs)
	if err := options.ApplyWithStorageFactoryTo(s.factory(options.StorageConfig, api), config); err != nil {
		return nil, fmt.Errorf("configuring storage: %w", err)
	}
	return Uncached(s.wrap(config.RESTOptionsGetter)), nil
}

func (s *Storage) factory(config storagebackend.Config, api API) *serverstorage.DefaultStorageFactory {
	resources := serverstorage.NewResourceConfig()
	resources.EnableVersions(api.Scheme.PrioritizedVersionsAllGroups()...)
	factory := serverstorage.NewDefaultStorageFactory(config, s.options.DefaultStorageMediaType,
		api.Codecs, serverstorage.NewDefaultResourceEncodingConfig(api.Scheme), resources, api.Keys)
	for _, group := range api.WithoutProtobuf {
		factory.SetSerializer(schema.GroupResource{Group: group, Resource: serverstorage.AllResources}, runtime.ContentTypeJSON, nil)
	}
	return factory
}

// applyTo makes the storage the one of a server.
func (s *Storage) applyTo(config *genericapiserver.Config, api API) error {
	storageConfig := s.options.StorageConfig
	storageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	if err := s.options.ApplyWithStorageFactoryTo(s.factory(storageConfig, api), config); err != nil {
		return fmt.Errorf("configuring storage: %w", err)
	}
	config.RESTOptionsGetter = s.wrap(config.RESTOptionsGetter)
	return nil
}

// Close ends an embedded etcd.
func (s *Storage) Close() error {
	if s.member == nil {
		return nil
	}
	s.direct.stop()
	return s.member.Close()
}
