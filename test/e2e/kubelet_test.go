// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/steppe-io/steppe/apis/apps"
)

// Who takes over an edge machine has the rights of its kubelet. They are not
// enough to take the node to another pool, or to have yurt-manager take away
// what others have put on it. That kubelets can still do their work, every other
// test shows.
func TestKubeletMayNotGiveOrders(t *testing.T) {
	requirePools(t)
	asKubelet := func(args ...string) error {
		_, err := kubectl(t, "", append([]string{"--as=system:node:edge-1", "--as-group=system:nodes", "--as-group=system:authenticated"}, args...)...)
		return err
	}
	// Nothing is written even if it is let through.
	for what, args := range map[string][]string{
		apps.LabelNodePool:                {"label", "--overwrite", "node", "edge-1", apps.LabelNodePool + "=" + shanghai},
		apps.AnnotationPreviousAttributes: {"annotate", "--overwrite", "node", "edge-1", apps.AnnotationPreviousAttributes + "={}"},
	} {
		err := asKubelet(append(args, "--dry-run=server")...)
		if err == nil || !strings.Contains(err.Error(), "nodes may not change") || !strings.Contains(err.Error(), what) {
			t.Errorf("a kubelet changes %s: %v", what, err)
		}
	}
	if err := asKubelet("annotate", "--overwrite", "node", "edge-1", marker+"kubelet=yes", "--dry-run=server"); err != nil {
		t.Errorf("a kubelet cannot annotate its node: %v", err)
	}
}
