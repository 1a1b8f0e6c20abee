// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"slices"
)

// allRules are the rules for all types that have some.
func allRules() []rule {
	return slices.Concat(
		podRules(), containerRules(), environmentRules(), volumeRules(), sourceRules(), securityRules(), schedulingRules(),
		serviceRules(), endpointRules(), quotaRules(), persistentRules(),
		appsRules(), batchRules(), autoscalingRules(), rbacRules(), networkingRules(), storageRules(), clusterRules(), certificateRules(), admissionRules(), resourceRules(),
	)
}
