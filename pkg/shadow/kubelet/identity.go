// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"net/http"
	"strings"
)

const (
	headerWebSocketProtocol = "Sec-Websocket-Protocol"
	// bearerProtocol begins the name of the protocol in which browsers, which cannot
	// set headers, send a token.
	bearerProtocol = "base64url.bearer.authorization.k8s.io."
)

// withoutIdentity keeps from handler what the client proved its identity with. The
// filters in front have taken most of it away: this is for the day on which one is
// missing.
func withoutIdentity(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req = req.Clone(req.Context())
		for name := range req.Header {
			if isIdentity(name) {
				req.Header.Del(name)
			}
		}
		dropBearerProtocols(req.Header)
		handler.ServeHTTP(w, req)
	})
}

// withoutCookies keeps cookies from kubelets, which have none of their own. Pods
// may: they get what a browser has for this server.
func withoutCookies(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req = req.Clone(req.Context())
		req.Header.Del("Cookie")
		handler.ServeHTTP(w, req)
	})
}

func isIdentity(name string) bool {
	name = strings.ToLower(name)
	return name == "authorization" || name == "proxy-authorization" ||
		strings.HasPrefix(name, "x-remote-") || strings.HasPrefix(name, "impersonate-")
}

func dropBearerProtocols(header http.Header) {
	lines := header.Values(headerWebSocketProtocol)
	if len(lines) == 0 {
		return
	}
	var kept []string
	for _, protocol := range strings.Split(strings.Join(lines, ","), ",") {
		if protocol = strings.TrimSpace(protocol); !strings.HasPrefix(protocol, bearerProtocol) {
			kept = append(kept, protocol)
		}
	}
	if len(kept) == 0 {
		header.Del(headerWebSocketProtocol)
		return
	}
	header.Set(headerWebSocketProtocol, strings.Join(kept, ", "))
}
