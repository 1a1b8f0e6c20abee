// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cloud runs the cloud side of Steppe for tests and benchmarks: a real
// kube-apiserver with its etcd, and yurt-apiservers that are registered with it,
// all on loopback and without root.
//
// Servers run as processes of their own, see package process: a test package calls
// Main from its TestMain.
package cloud

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/steppe-io/steppe/cmd/yurt-apiserver/app"
	"github.com/steppe-io/steppe/generated/clientset/versioned"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/test/process"
)

const (
	program = "yurt-apiserver"

	namespace = "kube-system"
	service   = "yurt-apiserver"

	// patience bounds waits for what takes seconds on an idle machine.
	patience = 2 * time.Minute
)

// Main runs a yurt-apiserver instead of tests in the processes that servers are.
// Call it first in TestMain.
func Main() {
	process.Main(map[string]func(context.Context) *cobra.Command{program: app.NewCommand})
}

// Cloud is a kube-apiserver, ready for yurt-apiservers.
type Cloud struct {
	*controlplane.ControlPlane
	// Dir holds everything.
	Dir string

	Kubernetes kubernetes.Interface
	Dynamic    dynamic.Interface
	Aggregator aggregator.Interface
	// Steppe speaks to yurt-apiserver through the kube-apiserver.
	Steppe versioned.Interface

	kubeconfig string
	servers    []*Server
}

// Start brings up etcd and kube-apiserver. Call Stop at the end.
func Start(ctx context.Context, config controlplane.Config) (*Cloud, error) {
	plane, err := controlplane.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &Cloud{ControlPlane: plane, Dir: config.Dir, kubeconfig: plane.Kubeconfig()}
	if err := c.connect(); err != nil {
		plane.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cloud) connect() (err error) {
	config := c.RESTConfig()
	config.WarningHandler = rest.NoWarnings{} // that a version is deprecated is no news here
	if c.Kubernetes, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	if c.Aggregator, err = aggregator.NewForConfig(config); err != nil {
		return err
	}
	c.Steppe, err = versioned.NewForConfig(config)
	return err
}

// Stop ends all servers and the control plane.
func (c *Cloud) Stop() {
	for _, server := range slices.Backward(c.servers) {
		server.Stop()
	}
	c.ControlPlane.Stop()
}

// Register makes the kube-apiserver pass our API groups to a port of loopback,
// by the APIServices that users apply, and waits until they are available.
// It gives up early when one of the servers that should answer has ended.
func (c *Cloud) Register(ctx context.Context, port int, servers ...*Server) error {
	if err := c.registerService(ctx, port); err != nil {
		return err
	}
	names, err := c.registerAPIServices(ctx, port)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, server := range servers {
		go func() {
			if _ = server.WaitExit(ctx); ctx.Err() == nil {
				cancel(fmt.Errorf("yurt-apiserver ended:\n%s", server.Log()))
			}
		}()
	}
	return c.waitAvailable(ctx, names)
}

func (c *Cloud) registerService(ctx context.Context, port int) error {
	services := c.Kubernetes.CoreV1().Services(namespace)
	want := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: service},
		Spec: corev1.ServiceSpec{
			Type:         corev1.ServiceTypeExternalName,
			ExternalName: "localhost",
			Ports:        []corev1.ServicePort{{Port: int32(port)}},
		},
	}
	have, err := services.Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		_, err = services.Create(ctx, want, metav1.CreateOptions{})
		return err
	}
	have.Spec.Ports = want.Spec.Ports
	_, err = services.Update(ctx, have, metav1.UpdateOptions{})
	return err
}

func (c *Cloud) registerAPIServices(ctx context.Context, port int) ([]string, error) {
	root, err := binaries.Checkout()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(root, "manifests/base/yurt-apiserver/apiservice.yaml"))
	if err != nil {
		return nil, err
	}
	defer file.Close()

	var names []string
	client := c.Aggregator.ApiregistrationV1().APIServices()
	for decoder := utilyaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		api := &apiregistrationv1.APIService{}
		if err := decoder.Decode(api); err != nil {
			break // io.EOF; a broken document shows as a missing APIService
		}
		names = append(names, api.Name)
		patch := fmt.Sprintf(`{"spec":{"service":{"port":%d}}}`, port)
		api.Spec.Service.Port = new(int32(port))
		if _, err := client.Create(ctx, api, metav1.CreateOptions{}); err == nil {
			continue
		}
		if _, err := client.Patch(ctx, api.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (c *Cloud) waitAvailable(ctx context.Context, names []string) error {
	last := "nothing was seen"
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		for _, name := range names {
			api, err := c.Aggregator.ApiregistrationV1().APIServices().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			available := slices.ContainsFunc(api.Status.Conditions, func(cond apiregistrationv1.APIServiceCondition) bool {
				last = cond.Message
				return cond.Type == apiregistrationv1.Available && cond.Status == apiregistrationv1.ConditionTrue
			})
			if !available {
				return false, nil
			}
			// The kube-apiserver says so a moment before it acts so.
			version, group, _ := strings.Cut(name, ".")
			if err := c.Kubernetes.Discovery().RESTClient().Get().AbsPath("/apis", group, version, "nodepools").Do(ctx).Error(); err != nil {
				last = err.Error()
				return false, nil //nolint:nilerr // it is tried again
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("APIServices did not become available (%s): %w", last, cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// Server is a yurt-apiserver in a process of its own.
type Server struct {
	*process.Process
	// Port is where it listens on loopback.
	Port int
}

// NewServer prepares a yurt-apiserver with further flags. Start starts it.
func (c *Cloud) NewServer(name string, args ...string) (*Server, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	args = append([]string{
		"--kubeconfig=" + c.kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
	}, args...)
	s := &Server{process.New(program, filepath.Join(c.Dir, name+".log"), args...), port}
	c.servers = append(c.servers, s)
	return s, nil
}
