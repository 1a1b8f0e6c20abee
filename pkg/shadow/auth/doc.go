// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package auth says who makes a request to a pool's API server, without asking
// anyone.
//
// These are tried in turn, as in kube-apiserver, and the first that knows the
// caller decides:
//
//   - the front proxy: a client with a certificate of the front proxy's CA, in one
//     of the allowed names, speaks for whom its X-Remote headers name. In a pool
//     that is the link, by which requests come from the cloud. The headers of
//     anybody else are ignored, and taken off;
//   - client certificates of the cluster's client CA;
//   - tokens of service accounts, as bearer tokens or in a WebSocket's protocols.
//
// Who is known to none of them may see health and version, and nothing else. A
// credential that is wrong makes the request fail, even there.
//
// Callers are told that they are unauthorized and no more. What was wrong is
// logged at verbosity 2, without the credential.
package auth
