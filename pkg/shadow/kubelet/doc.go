// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubelet reaches into the nodes of a pool for those who ask its API
// server: logs, exec, attach and port-forward of pods, and the proxies of nodes,
// pods and services.
//
// # Whom it trusts
//
// The server presents its client certificate to kubelets, and kubelets obey it.
// So it must be shown to nobody else, however a Node object came to say what it
// says. A connection to a kubelet is made anew for each request, and before one
// byte of the request is sent
//
//   - the address must be one that a node can have: no loopback, link-local,
//     multicast or unspecified address and none of those at which clouds hand out
//     credentials, whatever a name resolves to; and not a port of the pool's own
//     API servers,
//   - the serving certificate must be signed by the CA for kubelets, be good for
//     the address, and name the node: one node cannot give itself out as another,
//     nor can an API server whose certificate comes from the same CA be mistaken
//     for a kubelet.
//
// Unlike with a kube-apiserver there is no way around the certificate: the CA is
// not optional, and insecureSkipTLSVerifyBackend of logs is refused.
//
// Redirects are followed nowhere. What a caller proved its identity with
// (Authorization, X-Remote-*, Impersonate-*, tokens hidden in WebSocket
// protocols) is passed on to nobody, and cookies to no kubelet. Pods, services
// and other ports of nodes are spoken to without any credentials and, like a
// kube-apiserver does, without checking certificates, which pods rarely have for
// their IPs; a service leads only to pods of its own namespace, at the address
// that their status has.
//
// # What bounds it
//
// Connecting takes at most [Config].DialTimeout, and where an answer should come
// soon it must begin within [Config].AnswerTimeout. Streams last as long as
// client and backend like, and end when either goes (a backend that vanished
// without a word is noticed by TCP keep-alive) or with [Connector.Close]. There
// are at most maxConnections at a time; who comes next gets 429. Nothing is
// pooled or left running between requests.
//
// The files of [Config] may be replaced at any time: they are looked at for each
// connection.
package kubelet
