// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/steppe-io/steppe/pkg/shadow/defaulting/fill"
)

// SetDefaults_EndpointPort gives a port the name and the protocol without
// which kube-proxy ignores it.
func SetDefaults_EndpointPort(port *discoveryv1.EndpointPort) {
	fill.Nil(&port.Name, "")
	fill.Nil(&port.Protocol, corev1.ProtocolTCP)
}
