// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// checkTimeout bounds one question, so that a server which accepts and stays
// silent is asked again.
const checkTimeout = 3 * time.Second

// WaitReady waits until the API server of the plan answers that it is ready,
// whoever runs it.
func (p *Plan) WaitReady(ctx context.Context) error {
	config, err := p.RESTConfig()
	if err != nil {
		return err
	}
	// The server may be on a network that only this machine leads to.
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for {
		err := readyz(ctx, client, config.Host)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be ready: %w; the last answer was: %w", p.Server(), context.Cause(ctx), err)
		case <-time.After(pollInterval):
		}
	}
}

func apiServerReady(ctx context.Context, config *rest.Config) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	return readyz(ctx, client, config.Host)
}

func readyz(ctx context.Context, client *http.Client, host string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return get(ctx, client, host+"/readyz")
}

// healthy asks a component on loopback. Its serving certificate is self-signed
// and the answer is not secret, so the certificate is not verified.
func healthy(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	return get(ctx, &http.Client{Transport: transport}, "https://"+hostPort("127.0.0.1", port)+"/healthz")
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
}

func dialable(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: checkTimeout}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func loadConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, nil
}
