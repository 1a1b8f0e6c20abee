// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver is the kit from which every API server of Steppe is built:
// the cloud's aggregated server, and the server of each pool.
//
// A server is an API, which says what is served, put together with Options,
// which say where and how:
//
//	options := apiserver.NewOptions(...)     flags fill them
//	storage, err := options.Storage.Start(ctx)  embedded etcd, or an external one
//	config, err := options.Config(api, storage)
//	server, err := config.New(name)
//	err = server.Run(ctx)
//
// Run ends in this order: the server reports not ready, pre-shutdown hooks run
// and may still use it, requests in flight are answered and watches ended, the
// audit log is flushed. The caller closes the storage last of all.
//
// The package adds nothing to k8s.io/apiserver that k8s.io/apiserver has.
package apiserver
