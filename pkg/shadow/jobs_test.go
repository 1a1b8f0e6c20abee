// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"testing"
)

func TestEndWaitsForJobs(t *testing.T) {
	var j jobs
	ended := false
	j.start(t.Context(), func(ctx context.Context) {
		<-ctx.Done()
		ended = true
	})
	j.end()
	if !ended {
		t.Error("it did not wait")
	}
	j.end() // again, for nothing
}

func TestNoJobStartsAfterTheEnd(t *testing.T) {
	var j jobs
	j.end()
	j.start(t.Context(), func(context.Context) { t.Error("it did") })
	j.running.Wait()
}
