// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/pki"
)

// Command is one process of a control plane.
type Command struct {
	// Name is the program's name.
	Name string
	// Argv is the command line with the path of the executable first.
	Argv []string
	// After is the TCP address that accepts connections once the process may
	// be started; empty if at once.
	After string
}

// Plan is a control plane whose files are in place and whose processes are
// not started.
type Plan struct {
	// Commands are in the order of starting.
	Commands []Command
	// CA signs clients, servers and kubelets.
	CA *pki.Authority

	config Config
	first  string // first address of the service range
}

// PKIDir returns the folder of the certificates and keys. It holds, each as
// .crt and .key: ca, front-proxy-ca, apiserver, apiserver-kubelet-client,
// front-proxy-client; and sa.key and sa.pub.
func (p *Plan) PKIDir() string { return filepath.Join(p.config.Dir, "pki") }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (p *Plan) Kubeconfig() string { return p.kubeconfigPath("admin") }

// Server returns the URL of the API server.
func (p *Plan) Server() string {
	return "https://" + hostPort(p.config.Address, p.config.Ports.APIServer)
}

// Prepare writes the certificates and kubeconfigs of a control plane and
// returns the commands that run it.
func Prepare(config Config) (*Plan, error) {
	config.setDefaults()
	if err := config.Ports.chooseFree(); err != nil {
		return nil, err
	}
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("control plane: %w", err)
	}
	p := &Plan{config: config}
	p.first, _ = firstAddress(config.ServiceCIDR) // validated
	if err := os.MkdirAll(p.PKIDir(), 0o755); err != nil {
		return nil, err
	}
	if err := errors.Join(p.writeServerPKI(), p.writeClients()); err != nil {
		return nil, fmt.Errorf("control plane's certificates: %w", err)
	}
	p.Commands = p.commands()
	return p, nil
}

// ClientKubeconfig returns the kubeconfig of a client with that user name and
// groups. The name is that of its certificate in PKIDir.
func (p *Plan) ClientKubeconfig(name, user string, groups ...string) ([]byte, error) {
	pair, err := p.CA.Ensure(p.PKIDir(), "client-"+name, pki.Request{CommonName: user, Organization: groups})
	if err != nil {
		return nil, err
	}
	return pki.Kubeconfig(p.config.Name, p.Server(), p.CA, pair)
}

// WriteKubeconfig writes the kubeconfig of a client with that user name and
// groups into the control plane's folder, and returns its path.
func (p *Plan) WriteKubeconfig(name, user string, groups ...string) (string, error) {
	pair, err := p.CA.Ensure(p.PKIDir(), "client-"+name, pki.Request{CommonName: user, Organization: groups})
	if err != nil {
		return "", err
	}
	path := p.kubeconfigPath(name)
	return path, pki.WriteKubeconfig(path, p.config.Name, p.Server(), p.CA, pair)
}

// RESTConfig returns the client configuration of an administrator.
func (p *Plan) RESTConfig() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", p.Kubeconfig())
}

func (p *Plan) kubeconfigPath(name string) string {
	return filepath.Join(p.config.Dir, name+".kubeconfig")
}

func (p *Plan) pkiFile(name string) string { return filepath.Join(p.PKIDir(), name) }

func (p *Plan) writeServerPKI() error {
	var err error
	if p.CA, err = pki.EnsureAuthority(p.PKIDir(), "ca"); err != nil {
		return err
	}
	frontProxy, err := pki.EnsureAuthority(p.PKIDir(), "front-proxy-ca")
	if err != nil {
		return err
	}
	hosts := append([]string{p.config.Address, "127.0.0.1", p.first, "localhost", "kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}, p.config.ExtraHosts...)
	_, errServer := p.CA.Ensure(p.PKIDir(), "apiserver", pki.Request{CommonName: "kube-apiserver", Hosts: hosts})
	_, errKubelet := p.CA.Ensure(p.PKIDir(), "apiserver-kubelet-client",
		pki.Request{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}})
	_, errProxy := frontProxy.Ensure(p.PKIDir(), "front-proxy-client", pki.Request{CommonName: "front-proxy-client"})
	_, _, errSA := pki.EnsureSigningKey(p.PKIDir(), "sa")
	return errors.Join(errServer, errKubelet, errProxy, errSA)
}

func (p *Plan) writeClients() error {
	if p.CA == nil {
		return nil // writeServerPKI said why
	}
	for _, c := range []struct {
		name, user string
		groups     []string
	}{
		{"admin", "kubernetes-admin", []string{"system:masters"}},
		{"controller-manager", "system:kube-controller-manager", nil},
		{"scheduler", "system:kube-scheduler", nil},
		{"kube-proxy", "system:kube-proxy", nil},
	} {
		if _, err := p.WriteKubeconfig(c.name, c.user, c.groups...); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) commands() []Command {
	etcd := hostPort("127.0.0.1", p.config.Ports.EtcdClient)
	apiserver := hostPort(p.config.Address, p.config.Ports.APIServer)
	commands := []Command{
		p.command(binaries.Etcd, "", p.etcdArgs(), p.config.EtcdArgs),
		p.command(binaries.KubeAPIServer, etcd, p.apiServerArgs(), p.config.APIServerArgs),
	}
	if p.config.ControllerManager {
		commands = append(commands, p.command(binaries.KubeControllerManager, apiserver, p.controllerManagerArgs(), p.config.ControllerManagerArgs))
	}
	if p.config.Scheduler {
		commands = append(commands, p.command(binaries.KubeScheduler, apiserver, p.schedulerArgs(), p.config.SchedulerArgs))
	}
	return commands
}

func (p *Plan) command(name, after string, args, extra []string) Command {
	argv := append([]string{p.config.Binaries[name]}, args...)
	return Command{Name: name, Argv: append(argv, extra...), After: after}
}

func (p *Plan) etcdArgs() []string {
	client := "http://" + hostPort("127.0.0.1", p.config.Ports.EtcdClient)
	peer := "http://" + hostPort("127.0.0.1", p.config.Ports.EtcdPeer)
	args := []string{
		"--name=default",
		"--data-dir=" + filepath.Join(p.config.Dir, "etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
		"--log-level=warn",
	}
	if !p.config.Fsync {
		args = append(args, "--unsafe-no-fsync")
	}
	return args
}

func (p *Plan) apiServerArgs() []string {
	return []string{
		"--etcd-servers=http://" + hostPort("127.0.0.1", p.config.Ports.EtcdClient),
		"--bind-address=" + p.config.Listen,
		"--advertise-address=" + p.config.Address,
		"--secure-port=" + strconv.Itoa(p.config.Ports.APIServer),
		"--tls-cert-file=" + p.pkiFile("apiserver.crt"),
		"--tls-private-key-file=" + p.pkiFile("apiserver.key"),
		"--client-ca-file=" + p.pkiFile("ca.crt"),
		"--kubelet-client-certificate=" + p.pkiFile("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + p.pkiFile("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority=" + p.pkiFile("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.pkiFile("sa.pub"),
		"--service-account-signing-key-file=" + p.pkiFile("sa.key"),
		"--service-cluster-ip-range=" + p.config.ServiceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--enable-bootstrap-token-auth",
		"--allow-privileged",
		"--requestheader-client-ca-file=" + p.pkiFile("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.pkiFile("front-proxy-client.crt"),
		"--proxy-client-key-file=" + p.pkiFile("front-proxy-client.key"),
	}
}

func (p *Plan) controllerManagerArgs() []string {
	return append(p.clientArgs("controller-manager", p.config.Ports.ControllerManager),
		"--service-account-private-key-file="+p.pkiFile("sa.key"),
		"--root-ca-file="+p.pkiFile("ca.crt"),
		"--cluster-signing-cert-file="+p.pkiFile("ca.crt"),
		"--cluster-signing-key-file="+p.pkiFile("ca.key"),
		"--use-service-account-credentials",
		"--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
	)
}

func (p *Plan) schedulerArgs() []string {
	return p.clientArgs("scheduler", p.config.Ports.Scheduler)
}

// clientArgs are those that the controller manager and the scheduler share.
func (p *Plan) clientArgs(name string, port int) []string {
	kubeconfig := p.kubeconfigPath(name)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--requestheader-client-ca-file=" + p.pkiFile("front-proxy-ca.crt"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		// There is one of each, and a restart must not wait for a lease.
		"--leader-elect=false",
	}
}
