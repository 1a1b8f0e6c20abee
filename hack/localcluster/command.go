// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// run runs a tool of the host and returns what it printed. Its error holds
// the command line and the tool's own words.
func run(ctx context.Context, argv ...string) (string, error) {
	output, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err != nil {
		return text, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, text)
	}
	return text, nil
}

// runAll runs command lines (words parted by spaces) until one fails.
func runAll(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if _, err := run(ctx, strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}
