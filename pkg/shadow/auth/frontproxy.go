// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// FrontProxy is a client that has authenticated others, and names them in the
// headers X-Remote-User, X-Remote-Uid, X-Remote-Group and X-Remote-Extra-.
type FrontProxy struct {
	// CA issues its certificates, and none to anybody else.
	CA dynamiccertificates.CAContentProvider
	// AllowedNames are the common names that the certificates may have. At least
	// one: that a CA's every certificate may speak for anyone is never wanted.
	AllowedNames []string
}

func (p *FrontProxy) validate() error {
	if p.CA == nil {
		return errors.New("authentication: the CA of the front proxy must be given")
	}
	if len(p.AllowedNames) == 0 {
		return errors.New("authentication: at least one allowed name of the front proxy must be given")
	}
	for _, name := range p.AllowedNames {
		if name == "" {
			return errors.New("authentication: allowed names of the front proxy must not be empty")
		}
	}
	return nil
}

// headers says who the front proxy is and which headers it sets, for the server
// to take off in any case.
func (p *FrontProxy) headers() *authenticatorfactory.RequestHeaderConfig {
	return &authenticatorfactory.RequestHeaderConfig{
		UsernameHeaders:     headerrequest.StaticStringSlice{"X-Remote-User"},
		UIDHeaders:          headerrequest.StaticStringSlice{"X-Remote-Uid"},
		GroupHeaders:        headerrequest.StaticStringSlice{"X-Remote-Group"},
		ExtraHeaderPrefixes: headerrequest.StaticStringSlice{"X-Remote-Extra-"},
		CAContentProvider:   p.CA,
		AllowedClientNames:  headerrequest.StaticStringSlice(p.AllowedNames),
	}
}

func (p *FrontProxy) authenticator() authenticator.Request {
	config := p.headers()
	return headerrequest.NewDynamicVerifyOptionsSecure(
		config.CAContentProvider.VerifyOptions,
		config.AllowedClientNames,
		config.UsernameHeaders,
		config.UIDHeaders,
		config.GroupHeaders,
		config.ExtraHeaderPrefixes,
	)
}
