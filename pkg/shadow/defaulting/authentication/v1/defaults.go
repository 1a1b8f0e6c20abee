// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// tokenLifetime of a requested token, in seconds.
const tokenLifetime = 60 * 60

// SetDefaults_TokenRequestSpec requests a token for an hour.
func SetDefaults_TokenRequestSpec(spec *authenticationv1.TokenRequestSpec) {
	fill.Nil(&spec.ExpirationSeconds, tokenLifetime)
}
