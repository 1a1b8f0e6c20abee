// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// PKIDir returns the folder of the cluster's certificates and keys, see
// controlplane.Plan.PKIDir.
func (c *Cluster) PKIDir() string { return filepath.Join(c.controlPlaneDir(), "pki") }

func (c *Cluster) controlPlaneDir() string { return filepath.Join(c.Dir(), "controlplane") }

// CA returns the cluster's authority, which signs clients, servers and kubelets.
func (c *Cluster) CA() (*pki.Authority, error) { return pki.EnsureAuthority(c.PKIDir(), "ca") }

// Server returns the URL of the cloud's API server.
func (c *Cluster) Server() string {
	return fmt.Sprintf("https://%s:%d", c.Cloud().IP(), controlplane.StandardPorts.APIServer)
}

// PointAt has the machine's kubelet and kube-proxy use another API server, or the
// cloud's again if server is Cluster.Server's: it changes their kubeconfigs, as an
// administrator of the machine would, and restarts them. Their certificates stay,
// so the server must have one of the cluster's CA. It returns when they run.
func (m *Machine) PointAt(ctx context.Context, server string) error {
	for process, path := range map[string]string{binaries.Kubelet: kubeletConf, binaries.KubeProxy: kubeProxyConf} {
		content, err := m.ReadFile(ctx, path)
		if err == nil {
			content, err = pointAt(content, server)
		}
		if err == nil {
			err = m.WriteFile(ctx, path, content, 0o600)
		}
		if err == nil {
			err = m.RestartProcess(ctx, process)
		}
		if err != nil {
			return fmt.Errorf("point the %s of %s at %s: %w", process, m.Name, server, err)
		}
	}
	return nil
}

// pointAt changes the server in a kubeconfig.
func pointAt(kubeconfig []byte, server string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = server
	}
	return clientcmd.Write(*config)
}

// ReadFile returns what a file of the machine holds.
func (m *Machine) ReadFile(ctx context.Context, path string) ([]byte, error) {
	cmd, err := m.Command(ctx, "cat", path)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	content, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read %s on %s: %w: %s", path, m.Name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return content, nil
}

// WriteFile writes a file of the machine by rename, with the folders that it lies
// in.
func (m *Machine) WriteFile(ctx context.Context, path string, content []byte, mode os.FileMode) error {
	const script = `umask 077 && mkdir -p -m 755 "$(dirname "$1")" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"`
	cmd, err := m.Command(ctx, "sh", "-c", script, "sh", path, fmt.Sprintf("%o", mode.Perm()))
	if err != nil {
		return err
	}
	cmd.Stdin = bytes.NewReader(content)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("write %s on %s: %w: %s", path, m.Name, err, bytes.TrimSpace(output))
	}
	return nil
}
