// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

// auditPolicy is what is logged if no policy is given.
//
//go:embed audit-policy.yaml
var auditPolicy []byte

func (o *Options) auditPolicyFile() string { return filepath.Join(o.DataDir, "audit", "policy.yaml") }

// writeAuditPolicy writes the policy to where the server reads it. The file is this
// program's: it is written at each start.
func writeAuditPolicy(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keeping the audit log: %w", err)
	}
	if err := os.WriteFile(path, auditPolicy, 0o600); err != nil {
		return fmt.Errorf("keeping the audit log: %w", err)
	}
	return nil
}
