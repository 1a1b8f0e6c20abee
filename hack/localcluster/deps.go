// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Purpose is what packages are needed for.
type Purpose string

const (
	// ForCluster is to run the local cluster.
	ForCluster Purpose = "cluster"
	// ForTests is to run tests, of which the race detector needs a C compiler.
	ForTests Purpose = "tests"
)

// Purposes are all of them.
var Purposes = []Purpose{ForCluster, ForTests}

// dependencies are the Debian packages that hold what is run on the host.
var dependencies = []struct {
	purpose Purpose
	pkg     string
	there   func() bool
}{
	{ForCluster, "iproute2", program("ip")},        // network namespaces and links
	{ForCluster, "nftables", program("nft")},       // kube-proxy's rules, and links that lose packets
	{ForCluster, "iptables", program("iptables")},  // kube-proxy, in the mode that most clusters have
	{ForCluster, "util-linux", program("nsenter")}, // commands in machines
	{ForCluster, "mount", program("mount")},        // the kubelet's volumes
	{ForCluster, "runc", program("runc")},          // containers
	{ForTests, "gcc", compiler},
	{ForTests, "libc6-dev", headers},
}

func program(name string) func() bool { return func() bool { return programExists(name) } }

// cc is the C compiler that Go runs.
func cc() []string { return strings.Fields(cmp.Or(strings.TrimSpace(os.Getenv("CC")), "gcc")) }

func compiler() bool {
	_, err := exec.LookPath(cc()[0])
	return err == nil
}

// headers asks the compiler, because they may be anywhere.
func headers() bool {
	words := append(cc(), "-E", "-x", "c", "-include", "stdlib.h", os.DevNull)
	err := exec.Command(words[0], words[1:]...).Run()
	return err == nil
}

// sbin is where a user's search path may not lead.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// MissingPackages returns the Debian packages that are needed and not there.
func MissingPackages(purposes ...Purpose) []string {
	var missing []string
	for _, d := range dependencies {
		if slices.Contains(purposes, d.purpose) && !d.there() {
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

// CheckPackages fails with what to do if a package is missing.
func CheckPackages(purposes ...Purpose) error {
	missing := MissingPackages(purposes...)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this host lacks the packages %s: run %s (or install what your distribution calls them)", strings.Join(missing, ", "), sudo("make deps"))
}

// sudo is how to run a command as root that needs Go, which is seldom in the
// path that sudo sets.
func sudo(command string) string { return fmt.Sprintf("`sudo env \"PATH=$PATH\" %s`", command) }

// InstallPackages installs what is missing with apt-get.
func InstallPackages(ctx context.Context, out io.Writer, purposes ...Purpose) error {
	missing := MissingPackages(purposes...)
	if len(missing) == 0 {
		return nil
	}
	if !programExists("apt-get") {
		return fmt.Errorf("there is no apt-get here: install what your distribution calls %s", strings.Join(missing, ", "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("installing %s needs root: run %s", strings.Join(missing, ", "), sudo("make deps"))
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		// On a machine that just booted, its own updates may hold the lock.
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}
