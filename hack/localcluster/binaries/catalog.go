// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"fmt"
	"slices"
	"strings"
)

// KubernetesVersion is the version that the built Kubernetes programs report.
// It is the one that hack/binaries/kubernetes/go.mod requires; a test compares
// the two.
const KubernetesVersion = "v1.36.3"

// Names of the programs that Ensure can build.
const (
	KubeAPIServer         = "kube-apiserver"
	KubeControllerManager = "kube-controller-manager"
	KubeScheduler         = "kube-scheduler"
	Kubelet               = "kubelet"
	KubeProxy             = "kube-proxy"
	Kubectl               = "kubectl"

	Etcd    = "etcd"
	Etcdctl = "etcdctl"

	Containerd     = "containerd"
	ContainerdShim = "containerd-shim-runc-v2"
	Ctr            = "ctr"

	CNIHostLocal = "host-local"
	CNILoopback  = "loopback"
	CNIPortmap   = "portmap"
	CNIPtp       = "ptp"

	CoreDNS = "coredns"
)

// program says where a program comes from.
type program struct {
	name   string
	module string // folder under hack/binaries
	pkg    string // main package
}

// catalog is in the order in which a cold cache is filled: what most tests
// need comes first.
var catalog = []program{
	{Etcd, "etcd", "go.etcd.io/etcd/server/v3"},
	{Etcdctl, "etcd", "go.etcd.io/etcd/etcdctl/v3"},
	{KubeAPIServer, "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"},
	{Kubectl, "kubernetes", "k8s.io/kubernetes/cmd/kubectl"},
	{KubeControllerManager, "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{KubeScheduler, "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"},
	{Kubelet, "kubernetes", "k8s.io/kubernetes/cmd/kubelet"},
	{KubeProxy, "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"},
	{Containerd, "containerd", "github.com/containerd/containerd/v2/cmd/containerd"},
	{ContainerdShim, "containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
	{Ctr, "containerd", "github.com/containerd/containerd/v2/cmd/ctr"},
	{CNIPtp, "cni", "github.com/containernetworking/plugins/plugins/main/ptp"},
	{CNIHostLocal, "cni", "github.com/containernetworking/plugins/plugins/ipam/host-local"},
	{CNILoopback, "cni", "github.com/containernetworking/plugins/plugins/main/loopback"},
	{CNIPortmap, "cni", "github.com/containernetworking/plugins/plugins/meta/portmap"},
	{CoreDNS, "coredns", "github.com/coredns/coredns"},
}

// All returns the name of every program, in build order.
func All() []string {
	names := make([]string, len(catalog))
	for i, p := range catalog {
		names[i] = p.name
	}
	return names
}

// Machines returns what the machines of the local cluster run: all but what only
// some tests want.
func Machines() []string {
	return slices.DeleteFunc(All(), func(name string) bool { return name == CoreDNS })
}

// ControlPlane returns what package controlplane needs without the controller
// manager and the scheduler, which is the usual set of an integration test.
func ControlPlane() []string { return []string{Etcd, KubeAPIServer, Kubectl} }

// selectPrograms returns the catalog rows of names, in catalog order.
func selectPrograms(names []string) ([]program, error) {
	known := All()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown program %q, must be one of %s", name, strings.Join(known, ", "))
		}
	}
	var chosen []program
	for _, p := range catalog {
		if slices.Contains(names, p.name) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// buildFlags returns the flags of `go build` for a module. They are part of
// the cache key.
func buildFlags(module string) []string {
	ldflags := "-s -w"
	if module == "kubernetes" {
		const pkg = "k8s.io/component-base/version"
		minor := strings.Split(strings.TrimPrefix(KubernetesVersion, "v"), ".")
		for _, set := range []string{
			"gitVersion=" + KubernetesVersion,
			"gitMajor=" + minor[0],
			"gitMinor=" + minor[1],
			"gitTreeState=clean",
		} {
			ldflags += " -X " + pkg + "." + set
		}
	}
	return []string{"-trimpath", "-mod=readonly", "-ldflags", ldflags}
}
