// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"regexp"

	corev1 "k8s.io/api/core/v1"
)

// imageReference is a valid reference to an image. Its groups are the tag and
// the digest.
var imageReference = regexp.MustCompile(`^` +
	// The registry: a host name or an IPv6 address, and a port.
	`(?:(?:` + label + `(?:\.` + label + `)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?` +
	// The repository, in lower case.
	component + `(?:/` + component + `)*` +
	`(?::([\w][\w.-]{0,127}))?` +
	`(?:@(sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}))?$`)

const (
	label     = `(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])`
	component = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
)

// imageID is the bare digest of an image on the node, which names nothing that
// could be pulled.
var imageID = regexp.MustCompile(`^[a-f0-9]{64}$`)

// pullPolicy pulls an image again whose tag is, or is understood to be, latest.
// What is no image at all is left to validation and to the kubelet.
func pullPolicy(image string) corev1.PullPolicy {
	match := imageReference.FindStringSubmatch(image)
	if match == nil || imageID.MatchString(image) {
		return corev1.PullIfNotPresent
	}
	if tag, digest := match[1], match[2]; tag == "latest" || tag == "" && digest == "" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
