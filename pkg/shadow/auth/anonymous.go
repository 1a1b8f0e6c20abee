// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"path"
	"strings"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
)

// publicPaths lets anyone ask for health, whole or check by check, and version,
// as system:anonymous. The authorizer has the last word on which of these.
type publicPaths struct{}

var everyPath = anonymous.NewAuthenticator(nil)

func (publicPaths) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	if !isPublic(req.URL.Path) {
		return nil, false, nil
	}
	return everyPath.AuthenticateRequest(req)
}

func isPublic(p string) bool {
	if p == "/version" || p == "/version/" {
		return true
	}
	if path.Clean(p) != strings.TrimSuffix(p, "/") {
		return false // whatever it means, it is not what it looks like
	}
	for _, root := range []string{"/livez", "/readyz", "/healthz"} {
		if p == root || strings.HasPrefix(p, root+"/") {
			return true
		}
	}
	return false
}
