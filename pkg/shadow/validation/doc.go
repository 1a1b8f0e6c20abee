// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

// Package validation says what is wrong with objects that a pool's server is asked
// to store. What passes goes to kubelets, kube-proxy, controllers and CoreDNS, some
// of which cannot bear nonsense: a probe without a period crashes a kubelet, a port
// that is none stops kube-proxy from programming any. And whoever may write on site
// must not reach out of a volume, take a port of the node or give a binding another
// role.
//
// # How it works
//
// Objects have their defaults. Rules belong to Go types of k8s.io/api: a walker that
// knows in which fields of an object a type occurs applies them there, so that what
// is said once of containers holds in pods and in every template. On top of that a
// table of kinds has what concerns whole objects: their names, and what may change.
// The values of enumerated fields are generated from the sources of k8s.io/api by
// hack/validation-enums, and what the tags in resource.k8s.io's types declare by
// validation-gen, in package declared. A kind without an entry gets the rules for
// the types inside of it.
//
// Fields are named as kube-apiserver names them, or more exactly where it forgets an
// index. Statuses are judged only when they are written, and enumerated values in
// them not at all: kubelets and controllers may be newer than this server.
//
// An update is refused for what it makes worse, not for what was wrong already: the
// cloud may be newer too, and what it has accepted must stay deletable here. Nothing
// is said about changes of metadata, which rest.BeforeUpdate judges.
//
// Objects are hostile: no function panics, each takes time in proportion to the size
// of the object, and an answer names at most a hundred problems.
//
// # What kube-apiserver refuses and this package does not
//
//   - Expressions that select devices, if they do not compile, and how capacities
//     and counters of devices may be asked for: those who allocate devices see to it.
//   - Details of sources of volumes beyond their required fields: their drivers do.
//   - Details of options for Windows; that they are not for Linux is checked.
//   - What Kubernetes keeps in annotations of old: tolerations and taints.
//   - In a pod's status: resources of containers, users, states of claims.
//   - In a Job's status: failed indexes that overlap with completed ones, finished
//     Jobs with active pods.
//   - Changes of Events through events.k8s.io: both groups may change what core may.
//   - Rules of webhooks whose resources with and without subresources overlap.
//   - Everything that admission, allocators of addresses or strategies refuse:
//     addresses out of range, accounts that are not there, fields of features that
//     are off.
//
// # What this package refuses and kube-apiserver does not
//
//   - Ports of EndpointSlices that are no ports.
//   - Ports of nodes below 30000 and above 32767; kube-apiserver leaves that to its
//     allocator, where the range can be configured. Services of the cloud that have
//     others keep them.
//   - More than 200 expressions in a policy, as each takes time to compile.
//   - A stop signal of a container whose pod names no operating system;
//     kube-apiserver drops the field.
//   - Two volumes of one name in a StatefulSet's template that a claim stands for.
//   - An address of a pod or a range of a node that is said in two ways that differ,
//     of which kube-apiserver takes one.
package validation
