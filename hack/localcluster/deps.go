// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// dependencies maps the host's programs that the cluster runs to the Debian
// packages that hold them.
var dependencies = []struct{ program, pkg, use string }{
	{"ip", "iproute2", "makes network namespaces and links"},
	{"nft", "nftables", "kube-proxy's rules, and links that lose packets"},
	{"nsenter", "util-linux", "runs commands in machines"},
	{"mount", "mount", "the kubelet's volumes"},
	{"runc", "runc", "runs containers"},
}

// sbin is where a user's search path may not lead.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// MissingPackages returns the Debian packages that are needed and not there.
func MissingPackages() []string {
	var missing []string
	for _, d := range dependencies {
		if !programExists(d.program) && !slices.Contains(missing, d.pkg) {
			missing = append(missing, d.pkg)
		}
	}
	return missing
}

func programExists(name string) bool {
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	return slices.ContainsFunc(sbin, func(dir string) bool {
		info, err := os.Stat(dir + "/" + name)
		return err == nil && !info.IsDir()
	})
}

// checkPackages fails with what to do if a package is missing.
func checkPackages() error {
	missing := MissingPackages()
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this host lacks the packages %s: run `make deps` (or install what your distribution calls them)", strings.Join(missing, ", "))
}

// InstallPackages installs what is missing with apt-get.
func InstallPackages(ctx context.Context, out io.Writer) error {
	missing := MissingPackages()
	if len(missing) == 0 {
		return nil
	}
	if !programExists("apt-get") {
		return fmt.Errorf("there is no apt-get here: install what your distribution calls %s", strings.Join(missing, ", "))
	}
	if err := requireRoot(); err != nil {
		return errors.New("installing packages needs root: try sudo make deps")
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}
