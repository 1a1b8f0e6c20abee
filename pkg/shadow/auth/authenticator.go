// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/websocket"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	tokencache "k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/klog/v2"
)

// tokenTTL is for how long a token that was good is taken for good. It bounds how
// late the deletion of a pod or service account, or the end of a key, is noticed.
// Refusals are not remembered.
const tokenTTL = 10 * time.Second

// errUnauthorized is all that a caller's request carries of what was wrong.
var errUnauthorized = errors.New("credentials are not accepted")

// Config says which callers are known. What is nil knows nobody.
type Config struct {
	// Audiences are what tokens must be for.
	Audiences authenticator.Audiences
	// ClientCA are the CAs of client certificates, usually from
	// dynamiccertificates.NewDynamicCAContentFromFile.
	ClientCA dynamiccertificates.CAContentProvider
	// FrontProxy may speak for others.
	FrontProxy *FrontProxy
	// Tokens knows bearer tokens. What it accepts is cached.
	Tokens authenticator.Token
}

// Authenticator knows callers.
type Authenticator struct {
	// Request is for the server's requests.
	Request authenticator.Request
	// Token is for TokenReviews: it knows the same tokens, adds the same groups,
	// and says why it refuses one. Nil if no tokens are known.
	Token authenticator.Token

	config Config
}

// NewAuthenticator puts the ways to know a caller together.
func NewAuthenticator(config Config) (*Authenticator, error) {
	if len(config.Audiences) == 0 {
		return nil, errors.New("authentication: at least one audience must be given")
	}
	out := &Authenticator{config: config}
	var requests []authenticator.Request
	if config.FrontProxy != nil {
		if err := config.FrontProxy.validate(); err != nil {
			return nil, err
		}
		requests = append(requests, authenticator.WrapAudienceAgnosticRequest(config.Audiences, config.FrontProxy.authenticator()))
	}
	if config.ClientCA != nil {
		requests = append(requests, x509.NewDynamic(config.ClientCA.VerifyOptions, x509.CommonNameUserConversion))
	}
	if config.Tokens != nil {
		tokens := tokencache.New(config.Tokens, false, tokenTTL, 0)
		requests = append(requests, bearertoken.New(tokens), websocket.NewProtocolAuthenticator(tokens))
		out.Token = group.NewTokenGroupAdder(tokens, []string{user.AllAuthenticated})
	}
	known := group.NewAuthenticatedGroupAdder(union.New(requests...))
	// A wrong credential does not make its bearer anonymous.
	out.Request = discreet{union.NewFailOnError(known, publicPaths{})}
	return out, nil
}

// ApplyTo makes a server use the authenticator, and ask its clients for the
// certificates that the authenticator knows.
func (a *Authenticator) ApplyTo(authentication *genericapiserver.AuthenticationInfo, serving *genericapiserver.SecureServingInfo) error {
	authentication.Authenticator = a.Request
	authentication.APIAudiences = a.config.Audiences
	if err := authentication.ApplyClientCert(a.config.ClientCA, serving); err != nil {
		return err
	}
	if a.config.FrontProxy == nil {
		return nil
	}
	authentication.RequestHeaderConfig = a.config.FrontProxy.headers()
	return authentication.ApplyClientCert(a.config.FrontProxy.CA, serving)
}

// discreet keeps what was wrong with a credential to the log.
type discreet struct{ authenticator.Request }

func (d discreet) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	response, ok, err := d.Request.AuthenticateRequest(req)
	if err != nil {
		klog.FromContext(req.Context()).V(2).Info("Refused credentials", "remoteAddress", req.RemoteAddr, "path", req.URL.Path, "err", err)
		return nil, false, errUnauthorized
	}
	return response, ok, nil
}
