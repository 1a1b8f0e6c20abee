// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"fmt"
	"net/netip"
	"path"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	genericapiserver "k8s.io/apiserver/pkg/server"
	networkinglisters "k8s.io/client-go/listers/networking/v1"

	"github.com/steppe-io/steppe/pkg/shadow/builtin"
	"github.com/steppe-io/steppe/pkg/shadow/clusterip"
)

// nodePorts is where in etcd the node ports are that the pool has given.
const nodePorts = "/steppe/node-ports"

// allocate has Services made on site get their addresses and ports.
func (c *Config) allocate(jobs *jobs, resources *builtin.Resources, generic *genericapiserver.RecommendedConfig) error {
	cloud := cloudRanges{generic.SharedInformerFactory.Networking().V1().ServiceCIDRs().Lister()}
	allocator, err := clusterip.New(clusterip.Config{
		Ranges:      c.ServiceRanges,
		NodePorts:   c.NodePorts,
		CloudRanges: cloud.list,
		Services:    resources.Store(corev1.Resource("services")),
		Addresses:   resources.Store(networkingv1.Resource("ipaddresses")),
		Etcd:        c.Etcd,
		Prefix:      path.Join(nodePorts, c.Pool) + "/",
	})
	if err != nil {
		return fmt.Errorf("allocating addresses of services: %w", err)
	}
	resources.Allocate(allocator)
	return c.alone(jobs, generic, "repair-service-addresses", allocator.Run)
}

// cloudRanges is what the cloud gives addresses from.
type cloudRanges struct {
	networkinglisters.ServiceCIDRLister
}

func (r cloudRanges) list() []netip.Prefix {
	objects, err := r.List(labels.Everything())
	if err != nil {
		return nil // a lister of a cache has no errors
	}
	var list []netip.Prefix
	for _, object := range objects {
		for _, cidr := range object.Spec.CIDRs {
			if prefix, err := netip.ParsePrefix(cidr); err == nil {
				list = append(list, prefix)
			}
		}
	}
	return list
}
