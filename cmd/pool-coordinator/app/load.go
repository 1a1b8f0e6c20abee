// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/steppe-io/steppe/pkg/shadow"
	"github.com/steppe-io/steppe/pkg/shadow/builtin"
)

// newLoadCommand returns the command that fills a data directory from files.
func newLoadCommand() *cobra.Command {
	o := NewOptions()
	var files []string
	cmd := &cobra.Command{
		Use:   "load --filename FILE...",
		Short: "Put copies of a cluster's objects into a stopped coordinator's data",
		Long: `load puts objects into the data of a coordinator that is not running, as they are:
with their UIDs, times and status, without defaults, admission or validation. Objects
that are there already are replaced. It is for copies that a cluster has given, as by
"kubectl get -o yaml", carried to a site that has no link yet. Objects of Kubernetes'
own resources can be loaded, custom resources cannot.`,
		Example: `  kubectl get namespaces,configmaps,secrets -A -o yaml | ssh site pool-coordinator load --data-dir /var/lib/pool-coordinator --filename -`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return errors.New("--filename must name a file, or - for standard input")
			}
			o.completeStorage()
			loaded, err := load(cmd.Context(), o, files, cmd.InOrStdin())
			fmt.Fprintf(cmd.ErrOrStderr(), "%d objects loaded\n", loaded)
			return err
		},
	}
	addDataDirFlag(cmd, o, func(fss *cliflag.NamedFlagSets) {
		fs := fss.FlagSet("Load")
		fs.StringSliceVarP(&files, "filename", "f", files, "Files of objects in YAML or JSON; - is standard input. Required.")
		encryption := &o.Server.Storage.Etcd.EncryptionProviderConfigFilepath
		fs.StringVar(encryption, "encryption-provider-config", *encryption, "The coordinator's --encryption-provider-config, if it has one.")
	})
	return cmd
}

// load returns how many objects it has put.
func load(ctx context.Context, o *Options, files []string, stdin io.Reader) (n int, err error) {
	storage, err := o.Server.Storage.Start(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, storage.Close()) }()
	resources, err := shadow.OpenResources(storage)
	if err != nil {
		return 0, err
	}
	defer resources.Destroy()
	for _, name := range files {
		count, err := loadFile(ctx, resources, name, stdin)
		n += count
		if err != nil {
			return n, fmt.Errorf("loading %s: %w", name, err)
		}
	}
	return n, nil
}

func loadFile(ctx context.Context, resources *builtin.Resources, name string, stdin io.Reader) (n int, err error) {
	reader := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		defer file.Close()
		reader = file
	}
	const bufferSize = 64 << 10
	for documents := yaml.NewYAMLOrJSONDecoder(reader, bufferSize); ; {
		var raw runtime.RawExtension
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if len(raw.Raw) == 0 || string(raw.Raw) == "null" {
			continue
		}
		count, err := put(ctx, resources, raw.Raw)
		n += count
		if err != nil {
			return n, err
		}
	}
}

// put puts an object, or the items of a list.
func put(ctx context.Context, resources *builtin.Resources, data []byte) (n int, err error) {
	obj, err := resources.Decode(data)
	if err != nil {
		return 0, err
	}
	if list, ok := obj.(*corev1.List); ok { // what kubectl prints
		for _, item := range list.Items {
			count, err := put(ctx, resources, item.Raw)
			n += count
			if err != nil {
				return n, err
			}
		}
		return n, nil
	}
	if !meta.IsListType(obj) {
		return 1, resources.Put(ctx, obj)
	}
	err = meta.EachListItem(obj, func(item runtime.Object) error {
		n++
		return resources.Put(ctx, item)
	})
	return n, err
}
