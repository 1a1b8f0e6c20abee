// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/steppe-io/steppe/pkg/etcd"
)

// direct makes storages that call the embedded etcd as functions, instead of each
// having a gRPC connection to it.
type direct struct {
	member  *etcd.Server
	compact func() etcd3.Compactor // starts one for all
	stop    func()
}

func newDirect(member *etcd.Server, config storagebackend.Config) *direct {
	d := &direct{member: member, stop: func() {}}
	d.compact = sync.OnceValue(func() etcd3.Compactor {
		// Not one for each endpoint: all members embedded in a process have the same.
		compactor := etcd3.NewCompactor(member.Client(), config.CompactionInterval, clock.RealClock{}, nil)
		d.stop = compactor.Stop
		return compactor
	})
	return d
}

// Direct returns a getter whose storages use the embedded etcd directly, where
// there is one. It is for what is served beside the API, which has it already.
func (c *Config) Direct(options generic.RESTOptionsGetter) generic.RESTOptionsGetter {
	return c.storage.wrap(options)
}

func (s *Storage) wrap(options generic.RESTOptionsGetter) generic.RESTOptionsGetter {
	if s.direct == nil {
		return options
	}
	return &directGetter{RESTOptionsGetter: options, direct: s.direct, cached: s.options.EnableWatchCache}
}

// Uncached returns a getter whose storages keep no objects in memory.
func Uncached(options generic.RESTOptionsGetter) generic.RESTOptionsGetter {
	if d, ok := options.(*directGetter); ok {
		return &directGetter{RESTOptionsGetter: d.RESTOptionsGetter, direct: d.direct}
	}
	return uncached{options}
}

type uncached struct{ generic.RESTOptionsGetter }

func (u uncached) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := u.RESTOptionsGetter.GetRESTOptions(resource, example)
	options.Decorator = generic.UndecoratedStorage
	return options, err
}

type directGetter struct {
	generic.RESTOptionsGetter
	direct *direct
	cached bool
}

func (g *directGetter) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := g.RESTOptionsGetter.GetRESTOptions(resource, example)
	options.Decorator = g.storage
	return options, err
}

// storage is a generic.StorageDecorator.
func (g *directGetter) storage(
	config *storagebackend.ConfigForResource, prefix string,
	keyFunc func(runtime.Object) (string, error), newFunc, newListFunc func() runtime.Object,
	attributes storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers,
) (storage.Interface, factory.DestroyFunc, error) {
	// A watch cache asks for progress of its watches, which goes to all that share
	// a stream.
	store, err := g.direct.store(g.direct.member.NewClient(), config, prefix, newFunc, newListFunc)
	if err != nil {
		return nil, nil, err
	}
	if !g.cached {
		return store, sync.OnceFunc(store.Close), nil
	}
	cached, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage:             store,
		Versioner:           storage.APIObjectVersioner{},
		GroupResource:       config.GroupResource,
		EventsHistoryWindow: config.EventsHistoryWindow,
		ResourcePrefix:      prefix,
		KeyFunc:             keyFunc,
		NewFunc:             newFunc,
		NewListFunc:         newListFunc,
		GetAttrsFunc:        attributes,
		IndexerFuncs:        triggers,
		Indexers:            indexers,
		Codec:               config.Codec,
	})
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	delegator := cacher.NewCacheDelegator(cached, store)
	return delegator, sync.OnceFunc(func() {
		delegator.Stop()
		cached.Stop()
		store.Close()
	}), nil
}

// closer is a storage that ends.
type closer interface {
	storage.Interface
	Close()
}

func (d *direct) store(client *clientv3.Client, config *storagebackend.ConfigForResource, prefix string, newFunc, newListFunc func() runtime.Object) (closer, error) {
	kube := &kubernetes.Client{Client: client}
	kube.Kubernetes = kube
	explainRefusals(client)
	kube.KV = etcd3.NewETCDLatencyTracker(kube.KV)
	versioner := storage.APIObjectVersioner{}
	transformer := config.Transformer
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	return etcd3.New(kube, d.compact(), config.Codec, newFunc, newListFunc, config.Prefix, prefix, config.GroupResource,
		transformer, config.LeaseManagerConfig, etcd3.NewDefaultDecoder(config.Codec, versioner), versioner)
}
