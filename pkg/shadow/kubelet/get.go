// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Get asks the kubelet of a node for path, and returns the body of a good answer,
// which the caller bounds and closes. ctx ends it.
func (c *Connector) Get(ctx context.Context, node, path string, query url.Values) (io.ReadCloser, error) {
	kubelet, err := c.kubelet(ctx, node, c.config.AnswerTimeout)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, kubelet.route.url(path, query).String(), nil)
	if err != nil {
		return nil, err
	}
	// A transport, unlike a client, follows no redirects.
	resp, err := kubelet.route.transport().RoundTrip(req)
	if err != nil {
		return nil, kubelet.route.status(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("%s at %s answered %s with %q", kubelet.route.to, kubelet.route.address(), path, resp.Status))
	}
	return resp.Body, nil
}
