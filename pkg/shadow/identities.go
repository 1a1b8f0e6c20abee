// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"fmt"
	"path"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"

	"github.com/steppe-io/steppe/pkg/shadow/auth"
	"github.com/steppe-io/steppe/pkg/shadow/auth/serviceaccount"
)

// issuerKeys is where in etcd the keys of the pool's tokens are. It is beside the
// objects: no API reaches it.
const issuerKeys = "/steppe/service-account-keys"

// identities is how callers are known.
type identities struct {
	authenticator *auth.Authenticator
	issuer        *serviceaccount.Issuer
	audiences     authenticator.Audiences
}

func newIdentities(ctx context.Context, c Config, objects objects) (*identities, error) {
	clientCA, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of clients: %w", err)
	}
	var frontProxy *auth.FrontProxy
	if c.FrontProxyCAFile != "" {
		ca, err := dynamiccertificates.NewDynamicCAContentFromFile("front-proxy-ca", c.FrontProxyCAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA of the front proxy: %w", err)
		}
		frontProxy = &auth.FrontProxy{CA: ca, AllowedNames: c.FrontProxyNames}
	}

	clusterKeys, err := serviceaccount.NewKeyFile(c.ServiceAccountKeyFile)
	if err != nil {
		return nil, err
	}
	issuer, err := serviceaccount.NewIssuer(serviceaccount.IssuerConfig{
		URL:   c.PoolIssuer,
		Store: serviceaccount.NewEtcdKeyStore(c.Etcd, path.Join(issuerKeys, c.Pool)),
	})
	if err != nil {
		return nil, err
	}
	if err := issuer.Load(ctx); err != nil {
		return nil, err
	}
	audiences := authenticator.Audiences(c.Audiences)
	if len(audiences) == 0 {
		audiences = c.ServiceAccountIssuers
	}
	accounts := objects.accounts()
	verifier, err := serviceaccount.NewVerifier(serviceaccount.VerifierConfig{
		Trusts: []serviceaccount.Trust{
			{Issuers: c.ServiceAccountIssuers, Keys: clusterKeys, Legacy: true},
			{Issuers: []string{c.PoolIssuer}, Keys: issuer},
		},
		Audiences: audiences,
		Live:      accounts.Live(),
		Cached:    accounts.Cached(),
	})
	if err != nil {
		return nil, err
	}
	known, err := auth.NewAuthenticator(auth.Config{Audiences: audiences, ClientCA: clientCA, FrontProxy: frontProxy, Tokens: verifier})
	if err != nil {
		return nil, err
	}
	return &identities{known, issuer, audiences}, nil
}
