// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Command pools shows the client SDK: it server-side-applies a node pool, lists
// all pools from an informer's cache, and prints what happens to them until it
// is interrupted.
//
//	go run ./docs/examples/pools --kubeconfig "$KUBECONFIG" --pool berlin
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/steppe-io/steppe/apis/apps/v1beta2"
	appsv1beta2 "github.com/steppe-io/steppe/generated/applyconfiguration/apps/v1beta2"
	"github.com/steppe-io/steppe/generated/clientset/versioned"
	"github.com/steppe-io/steppe/generated/informers/externalversions"
)

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "path of a kubeconfig; empty inside a pod")
	pool := flag.String("pool", "example", "name of the pool to apply")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *kubeconfig, *pool, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, kubeconfig, pool string, out io.Writer) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := apply(ctx, client, pool); err != nil {
		return err
	}
	return watch(ctx, client, out)
}

// apply states what this program wants of the pool, and owns just that: other
// fields stay with whoever set them.
func apply(ctx context.Context, client versioned.Interface, name string) error {
	want := appsv1beta2.NodePool(name).WithSpec(appsv1beta2.NodePoolSpec().
		WithType(v1beta2.Edge).
		WithLabels(map[string]string{"example.com/site": name}))
	_, err := client.AppsV1beta2().NodePools().Apply(ctx, want, metav1.ApplyOptions{FieldManager: "pools-example"})
	return err
}

// watch prints the pools that there are, and then every change, until ctx is
// done. The informer keeps a cache, and reconnects by itself.
func watch(ctx context.Context, client versioned.Interface, out io.Writer) error {
	var mu sync.Mutex // handlers run beside the listing
	say := func(what string, obj any) {
		mu.Lock()
		defer mu.Unlock()
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if pool, ok := obj.(*v1beta2.NodePool); ok {
			fmt.Fprintf(out, "%s %s: %d of %d nodes ready\n", what, pool.Name,
				pool.Status.ReadyNodeNum, pool.Status.ReadyNodeNum+pool.Status.UnreadyNodeNum)
		}
	}

	const resync = 0 // the cache is kept by watching alone
	factory := externalversions.NewSharedInformerFactory(client, resync*time.Second)
	pools := factory.Apps().V1beta2().NodePools()
	informer := pools.Informer()
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return errors.New("interrupted before the pools were listed")
	}
	all, err := pools.Lister().List(labels.Everything())
	if err != nil {
		return err
	}
	for _, pool := range all {
		say("found", pool)
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, pool any) { say("changed", pool) },
		DeleteFunc: func(pool any) { say("deleted", pool) },
	}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
