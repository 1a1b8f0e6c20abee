// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package declared

import "k8s.io/apimachinery/pkg/runtime"

// localSchemeBuilder is what generated code registers itself with. The functions
// are called directly instead, for which no scheme is needed.
var localSchemeBuilder runtime.SchemeBuilder
