// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"
)

// userPrefix is what the names of kubelets begin with.
const userPrefix = "system:node:"

// identify returns the name of the node whose kubelet a user is. It may be empty:
// then the user claims to be a kubelet but does not say of which node.
func identify(u user.Info) (node string, isKubelet bool) {
	if u == nil {
		return "", false
	}
	node, isKubelet = strings.CutPrefix(u.GetName(), userPrefix)
	if !isKubelet || !slices.Contains(u.GetGroups(), user.NodesGroup) {
		return "", false
	}
	return node, true
}
