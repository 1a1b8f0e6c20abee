// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"io"
	"os"
	"testing"

	"k8s.io/klog/v2"
)

// TestMain silences what the API machinery and the streaming libraries log of
// connections that break, which here they are made to do.
func TestMain(m *testing.M) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	os.Exit(m.Run())
}
