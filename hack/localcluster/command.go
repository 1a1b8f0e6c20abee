// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// run runs a tool of the host. Its error holds the command line and the tool's
// own words.
func run(ctx context.Context, argv ...string) error {
	output, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// runAll runs command lines (words parted by spaces) until one fails.
func runAll(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := run(ctx, strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}
