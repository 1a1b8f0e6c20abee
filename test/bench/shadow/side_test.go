// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
	"github.com/steppe-io/steppe/test/pool"
	"github.com/steppe-io/steppe/test/process"
)

var (
	shadowEnv  = flag.String("shadow-env", "", "environment variables of the pool's server alone, with spaces between them")
	shadowArgs = flag.String("shadow-args", "", "further flags of the pool's server, with spaces between them")
)

// side is a server with all its processes.
type side struct {
	name string
	// start starts it. It may return before it is ready.
	start func(ctx context.Context) error
	// stop ends it and returns when it is gone.
	stop func()
	// pids are the processes of the present life.
	pids func() []int
	// home is the folder for all that it keeps, and data that of its objects.
	home, data string
	// log is what the API server prints.
	log string
	// user returns the access of a user, by certificate. Each has a connection of
	// its own.
	user func(name string, groups ...string) (*rest.Config, error)
}

func (s *side) String() string { return s.name }

// newSides prepares both sides in a new folder.
func newSides(dir string) ([]*side, error) {
	own, err := newShadow(filepath.Join(dir, "shadow"))
	if err != nil {
		return nil, err
	}
	real, err := newReal(filepath.Join(dir, "real"), filepath.Join(own.home, "audit", "policy.yaml"))
	if err != nil {
		return nil, err
	}
	return []*side{own, real}, nil
}

func newShadow(dir string) (*side, error) {
	p, err := pool.New(pool.Config{Dir: dir, Args: strings.Fields(*shadowArgs)})
	if err != nil {
		return nil, err
	}
	p.Binary = shadow
	p.Env = strings.Fields(*shadowEnv)
	return &side{
		name:  "shadow",
		start: func(context.Context) error { return p.Start() },
		stop:  p.Stop,
		pids:  func() []int { return []int{p.Pid()} },
		home:  p.DataDir(),
		data:  filepath.Join(p.DataDir(), "etcd"),
		log:   p.LogPath,
		user:  p.UserConfig,
	}, nil
}

// newReal prepares the alternative. It keeps an audit log by the policy of the pool's
// server, which has written it when it has started for the first time.
func newReal(dir, policy string) (*side, error) {
	config := controlplane.Config{Dir: dir, Binaries: programs, Fsync: true, APIServerArgs: []string{
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + filepath.Join(dir, "audit.log"),
		"--audit-log-maxsize=20", "--audit-log-maxbackup=3",
	}}
	for _, port := range []*int{&config.Ports.APIServer, &config.Ports.EtcdClient, &config.Ports.EtcdPeer} {
		var err error
		if *port, err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	plan, err := controlplane.Prepare(config) // so that a start is no more than a start
	if err != nil {
		return nil, err
	}
	var cp *controlplane.ControlPlane
	return &side{
		name: "real",
		start: func(ctx context.Context) (err error) {
			cp, err = controlplane.Start(ctx, config)
			return err
		},
		stop: func() { cp.Stop() },
		pids: func() []int { return cp.Pids() },
		home: dir,
		data: filepath.Join(dir, "etcd"),
		log:  filepath.Join(dir, "log", binaries.KubeAPIServer+".log"),
		user: func(name string, groups ...string) (*rest.Config, error) {
			return userOf(plan, name, groups...)
		},
	}, nil
}

func userOf(plan *controlplane.Plan, name string, groups ...string) (*rest.Config, error) {
	cp := controlplane.ControlPlane{Plan: plan}
	return cp.UserConfig(name, groups...)
}

// up starts a side and returns how long it took until it was ready.
func (s *side) up(ctx context.Context) (time.Duration, error) {
	admin, err := s.user("kubernetes-admin", "system:masters")
	if err != nil {
		return 0, err
	}
	ready, err := newProbe(admin)
	if err != nil {
		return 0, err
	}
	defer ready.client.CloseIdleConnections()
	began := time.Now()
	started := make(chan error, 1)
	go func() { started <- s.start(ctx) }()
	took, err := ready.wait(ctx, began)
	if err != nil {
		text, _ := os.ReadFile(s.log) // the error is told anyway
		return 0, fmt.Errorf("%s: %w\n%s", s, err, text[max(0, len(text)-4000):])
	}
	return took, <-started
}

// probe asks whether a server is ready.
type probe struct {
	client *http.Client
	url    string
}

const (
	probePeriod  = 5 * time.Millisecond
	probeTimeout = time.Second
	startTimeout = 2 * time.Minute
)

func newProbe(config *rest.Config) (*probe, error) {
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.CAData)
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}}
	return &probe{&http.Client{Transport: transport, Timeout: probeTimeout}, config.Host + "/readyz"}, nil
}

func (p *probe) wait(ctx context.Context, began time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("it takes too long to be ready"))
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
		if err != nil {
			return 0, err
		}
		resp, err := p.client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
			err = fmt.Errorf("it answered %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(context.Cause(ctx), err)
		case <-time.After(probePeriod):
		}
	}
}

// client returns a client of the kind that Kubernetes' components are, with a
// connection of its own.
func (s *side) client(user string, groups ...string) (*kubernetes.Clientset, error) {
	config, err := s.config(user, groups...)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func (s *side) config(user string, groups ...string) (*rest.Config, error) {
	config, err := s.user(user, groups...)
	if err != nil {
		return nil, err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.Dial = (&net.Dialer{}).DialContext // configurations that have one share no connections
	return config, nil
}

// clients returns clients of one user of the group that may do what is measured.
func (s *side) clients(n int) ([]*kubernetes.Clientset, error) {
	config, err := s.config("bench", benchGroup)
	if err != nil {
		return nil, err
	}
	clients := make([]*kubernetes.Clientset, n)
	for i := range clients {
		own := rest.CopyConfig(config)
		own.Dial = (&net.Dialer{}).DialContext
		if clients[i], err = kubernetes.NewForConfig(own); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// newDir makes a folder for servers.
func newDir(name string) (string, error) {
	return os.MkdirTemp(workDir, name+"-")
}
