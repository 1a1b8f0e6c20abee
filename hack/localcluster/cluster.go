// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a local cluster, running or not.
type Cluster struct {
	state
}

// Load returns the cluster of that name, which another process may have made.
// It returns ErrNotExist if there is none.
func Load(name string) (*Cluster, error) {
	if err := validateName(name); err != nil {
		return nil, err
	}
	if err := requireRoot(); err != nil {
		return nil, err
	}
	s, err := readState(name)
	if err != nil {
		return nil, err
	}
	return &Cluster{state: s}, nil
}

func requireRoot() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("the local cluster makes namespaces and network devices and must be run as root: try %s", sudo("make …"))
	}
	return nil
}

// Name returns the cluster's name.
func (c *Cluster) Name() string { return c.state.Name }

// Dir returns the folder that holds all that the cluster stores.
func (c *Cluster) Dir() string { return clusterDir(c.state.Name) }

// Kubeconfig returns the path of the administrator's kubeconfig, good on the
// host and in the machines.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir(), "kubeconfig") }

// BinDir returns the folder of the programs, kubectl among them.
func (c *Cluster) BinDir() string { return filepath.Join(c.Dir(), "bin") }

// RESTConfig returns the client configuration of an administrator, without
// client-side rate limits.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	// Nothing but this machine leads to the cluster.
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return config, nil
}

// Env returns this process's environment for a program that speaks to the
// cluster, such as kubectl: it must not ask a proxy for that.
func (c *Cluster) Env() []string {
	exceptions := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy"))
	if exceptions != "" {
		exceptions += ","
	}
	exceptions += c.Cloud().IP()
	return append(os.Environ(), "NO_PROXY="+exceptions, "no_proxy="+exceptions)
}

// Client returns a client with an administrator's rights.
func (c *Cluster) Client() (kubernetes.Interface, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Machines returns all machines, the cloud first.
func (c *Cluster) Machines() []*Machine {
	machines := make([]*Machine, c.Nodes+1)
	for n := range machines {
		machines[n] = c.machine(n)
	}
	return machines
}

// surplus returns the machines that exist although the cluster, made smaller,
// no longer has them. What exists decides, not the record: removing them may
// have failed half-way.
func (c *Cluster) surplus() ([]*Machine, error) {
	entries, err := os.ReadDir(c.machinesDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var machines []*Machine
	for n := c.Nodes + 1; n <= MaxNodes; n++ {
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == machineName(n) }) {
			machines = append(machines, c.machine(n))
		}
	}
	return machines, nil
}

// machinesDir has a folder for each machine.
func (c *Cluster) machinesDir() string { return filepath.Join(c.Dir(), "machines") }

// Cloud returns the machine that runs the control plane.
func (c *Cluster) Cloud() *Machine { return c.machine(0) }

// Edge returns the n-th edge machine, counted from 1 like its name.
func (c *Cluster) Edge(n int) *Machine { return c.machine(n) }

// Machine returns the machine of that name.
func (c *Cluster) Machine(name string) (*Machine, error) {
	var names []string
	for _, m := range c.Machines() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("cluster %s has no machine %q, only %s", c.Name(), name, strings.Join(names, ", "))
}

func (c *Cluster) machine(n int) *Machine {
	return &Machine{cluster: c, number: n, Name: machineName(n)}
}

// path returns the search path in the machines.
func (c *Cluster) path() string {
	return c.BinDir() + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
