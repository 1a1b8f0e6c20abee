// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"

	"sigs.k8s.io/yaml"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// Labels and taints of the nodes.
const (
	labelEdgeWorker   = "openyurt.io/is-edge-worker"
	labelPool         = "apps.openyurt.io/nodepool"
	labelControlPlane = "node-role.kubernetes.io/control-plane"
)

// Where a node's files are: as on a node that kubeadm made, so that what
// converts such a node converts these.
const (
	kubeletConf     = "/etc/kubernetes/kubelet.conf"
	kubeletConfig   = "/var/lib/kubelet/config.yaml"
	kubeletCert     = "/var/lib/kubelet/pki/kubelet.crt"
	kubeletKey      = "/var/lib/kubelet/pki/kubelet.key"
	clientCA        = "/etc/kubernetes/pki/ca.crt"
	staticPods      = "/etc/kubernetes/manifests"
	kubeProxyConf   = "/etc/kubernetes/kube-proxy.conf"
	kubeProxyConfig = "/var/lib/kube-proxy/config.yaml"
	containerdConf  = "/etc/containerd/config.toml"
	cniConfDir      = "/etc/cni/net.d"
)

// object is a configuration file's content before it is encoded.
type object = map[string]any

// spec describes the machine's box.
func (m *Machine) spec(plan *controlplane.Plan, images []box.Image) (box.Spec, error) {
	files, err := m.files(plan)
	if err != nil {
		return box.Spec{}, fmt.Errorf("configure %s: %w", m.Name, err)
	}
	spec := box.Spec{
		Hostname: m.Name,
		Disk:     filepath.Join(m.dir(), "disk"),
		Shared:   m.cluster.Dir(),
		Logs:     m.logDir(),
		Control:  m.control(),
		Cgroup:   m.cgroupPath() + "/machine",
		Path:     m.cluster.path(),
		Files:    files,
		Images:   images,
	}
	if m.IsCloud() {
		spec.Processes = controlPlaneProcesses(plan)
	}
	spec.Processes = append(spec.Processes, m.nodeProcesses()...)
	return spec, nil
}

// controlPlaneProcesses translates the plan for the machine's init.
func controlPlaneProcesses(plan *controlplane.Plan) []supervise.Process {
	var processes []supervise.Process
	for _, c := range plan.Commands {
		p := supervise.Process{Name: c.Name, Argv: c.Argv}
		if c.After != "" {
			p.After = &supervise.Address{Network: "tcp", Address: c.After}
		}
		processes = append(processes, p)
	}
	return processes
}

// nodeProcesses are those that every node runs.
func (m *Machine) nodeProcesses() []supervise.Process {
	bin := m.cluster.BinDir()
	return []supervise.Process{
		{
			Name: binaries.Containerd,
			Argv: []string{filepath.Join(bin, binaries.Containerd), "--config", containerdConf},
		},
		{
			Name: binaries.Kubelet,
			Argv: []string{
				filepath.Join(bin, binaries.Kubelet),
				"--config=" + kubeletConfig,
				"--kubeconfig=" + kubeletConf,
				"--hostname-override=" + m.Name,
				"--node-ip=" + m.IP(),
				fmt.Sprintf("--node-labels=%s=%t", labelEdgeWorker, !m.IsCloud()),
				"--v=2",
			},
			After:       &supervise.Address{Network: "unix", Address: box.ContainerdSocket},
			NeedsImages: true,
		},
		{
			Name: binaries.KubeProxy,
			Argv: []string{filepath.Join(bin, binaries.KubeProxy), "--config=" + kubeProxyConfig},
		},
	}
}

// files are the machine's configuration.
func (m *Machine) files(plan *controlplane.Plan) ([]box.File, error) {
	cert, err := plan.CA.Ensure(plan.PKIDir(), "node-"+m.Name, pki.Request{
		CommonName: "system:node:" + m.Name, Organization: []string{"system:nodes"}, Hosts: []string{m.Name, m.IP(), "127.0.0.1", "localhost"},
	})
	if err != nil {
		return nil, err
	}
	kubelet, err := pki.Kubeconfig(m.cluster.Name(), plan.Server(), plan.CA, cert)
	if err != nil {
		return nil, err
	}
	proxy, err := plan.ClientKubeconfig("kube-proxy", "system:kube-proxy")
	if err != nil {
		return nil, err
	}
	// Hosts share /etc/machine-id; nodes must not.
	id := sha256.Sum256([]byte(m.cluster.Name() + "/" + m.Name))
	return []box.File{
		{Path: "/etc/machine-id", Content: hex.EncodeToString(id[:16]) + "\n"},
		{Path: kubeletConf, Content: string(kubelet), Mode: 0o600},
		{Path: kubeletCert, Content: string(cert.CertPEM)},
		{Path: kubeletKey, Content: string(cert.KeyPEM), Mode: 0o600},
		{Path: clientCA, Content: string(plan.CA.CertPEM)},
		{Path: kubeletConfig, Content: encodeYAML(m.kubeletConfig())},
		{Path: filepath.Join(staticPods, ".keep")},
		{Path: kubeProxyConf, Content: string(proxy), Mode: 0o600},
		{Path: kubeProxyConfig, Content: encodeYAML(m.kubeProxyConfig())},
		{Path: containerdConf, Content: m.containerdConfig()},
		{Path: filepath.Join(cniConfDir, "10-steppe.conflist"), Content: encodeJSON(m.cniConfig())},
	}, nil
}

func (m *Machine) kubeletConfig() object {
	config := object{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": "unix://" + box.ContainerdSocket,
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": clientCA},
		},
		"authorization":     object{"mode": "Webhook"},
		"tlsCertFile":       kubeletCert,
		"tlsPrivateKeyFile": kubeletKey,
		"staticPodPath":     staticPods,
		"volumePluginDir":   "/var/lib/kubelet/volumeplugins",
		"clusterDomain":     "cluster.local",
		// There is no cluster DNS, and the host's servers are out of reach.
		"resolvConf": "",
		// Below, what a machine among others on one host needs.
		"cgroupDriver":           "cgroupfs",
		"cgroupRoot":             m.cgroupPath(),
		"failCgroupV1":           false,
		"enforceNodeAllocatable": []string{},
		"failSwapOn":             false,
		"oomScoreAdj":            0,
		"maxOpenFiles":           openFileLimit(),
		// The disk is the host's: only when it is nearly full does it matter
		// here, and images that no registry has must not be collected.
		"evictionHard":                object{"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
	}
	if m.IsCloud() {
		config["registerWithTaints"] = []object{{"key": labelControlPlane, "effect": "NoSchedule"}}
	}
	return config
}

// openFileLimit is what the kubelet may raise its limit to: its own default,
// unless the host gives less.
func openFileLimit() int64 {
	const kubeletDefault = 1000000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max > kubeletDefault {
		return kubeletDefault
	}
	return int64(limit.Max)
}

func (m *Machine) kubeProxyConfig() object {
	return object{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"mode":             "nftables",
		"clientConnection": object{"kubeconfig": kubeProxyConf},
		"hostnameOverride": m.Name,
		"clusterCIDR":      podCIDR,
		// The limits of connection tracking are the host's.
		"conntrack":   object{"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
		"oomScoreAdj": 0,
	}
}

func (m *Machine) containerdConfig() string {
	return fmt.Sprintf(`version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = %q

[plugins.'io.containerd.internal.v1.opt']
  path = "/var/lib/containerd/opt"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = %q

[plugins.'io.containerd.cri.v1.runtime']
  # A container or a confined root may not lower its score.
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = [%q]
  conf_dir = %q
`, box.ContainerdSocket, TestImage, m.cluster.BinDir(), cniConfDir)
}

// cniConfig connects each pod to the machine by a veth pair of its own. The
// machine routes between its pods, so that Services work among them without
// the kernel's bridge filter.
func (m *Machine) cniConfig() object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "steppe",
		"plugins": []object{
			{
				"type": "ptp",
				"ipam": object{
					"type": "host-local",
					// Forgotten at power-off, as the pods' namespaces are.
					"dataDir": "/run/cni",
					"ranges":  [][]object{{{"subnet": m.PodCIDR()}}},
					"routes":  []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}, "backend": "nftables"},
		},
	}
}

// encodeYAML encodes configurations, which always can be.
func encodeYAML(o object) string {
	content, err := yaml.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(content)
}

func encodeJSON(o object) string {
	content, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(content) + "\n"
}
