// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package serviceaccount verifies and issues the tokens of service accounts
// where the cloud cannot be asked.
//
// # Verifying
//
// A Verifier knows several trusts. A trust is a set of issuers with the keys
// that may sign for them, and no key signs for the issuer of another trust: the
// pool cannot make tokens that pass for the cluster's. The cluster's keys are
// read from a file, a KeyFile; the pool's own are those of its Issuer.
//
// A token is good if all of this holds: it is signed with a key of its issuer, by
// an algorithm that fits the key; it has not expired and is not from the future,
// give or take [Leeway]; it is for one of the audiences asked for; its subject is
// the service account that it describes; the service account, and the Pod, Secret
// or Node that the token is bound to, exist under the same UID and are not
// deleted. The old tokens that are kept in Secrets are good as long as the Secret
// has them. That is what kube-apiserver wants, and a little more: there, a token
// may do without expiry or audience, and its subject is not compared.
//
// Refusals name what is wrong with the token, and repeat nothing out of it or out
// of the objects.
//
// # Issuing
//
// An Issuer signs with ECDSA P-256 keys of its own, for an issuer URL of its own,
// so that only the pool's coordinators accept its tokens. All coordinators of a
// pool share one [KeyStore], one record in the pool's etcd that is changed by
// compare-and-swap: whichever starts first makes the first key, whichever finds
// the key too old makes the next. A private key is forgotten when it is replaced.
// Its public half is kept for as long as tokens signed with it may live. The
// record is as secret as the Secrets beside it, and shares their fate: where an
// etcd is lost, so are the keys, and tokens of the pool stop being good.
//
// # Missing, on purpose
//
// The lifetime of tokens is not extended as kube-apiserver does for clients that
// do not read their token again (--service-account-extend-token-expiration).
// Secrets are not labelled with the day of their last use: they belong to the
// cloud. Keys are not served for OpenID discovery, since nothing outside the pool
// is to accept its tokens.
package serviceaccount
