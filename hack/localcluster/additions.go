// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/steppe-io/steppe/hack/image"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/supervise"
)

// AddProcess has the machine keep a program running from now on, across
// power-offs, until RemoveProcess: with a log as its other processes have, and with
// what it writes below /var and /etc on the machine's disk. A process that
// AddProcess added under the same name is replaced. It returns when the process
// runs, or at once if the machine is off.
func (m *Machine) AddProcess(ctx context.Context, p supervise.Process) error {
	err := m.changeSpec(ctx, func(spec *box.Spec) error {
		if named(spec.Processes, p.Name) {
			return fmt.Errorf("the machine has a process of that name")
		}
		spec.Added = append(without(spec.Added, p.Name), p)
		return nil
	})
	if err == nil && m.Running() {
		if err = box.SyncProcesses(m.control()); err == nil {
			err = m.awaitProcess(ctx, p.Name, supervise.Running, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("add %s to %s: %w", p.Name, m.Name, err)
	}
	return nil
}

// RemoveProcess ends a process that AddProcess added, and forgets it. What it has
// written stays. It is no error if there is none.
func (m *Machine) RemoveProcess(ctx context.Context, name string) error {
	err := m.changeSpec(ctx, func(spec *box.Spec) error {
		spec.Added = without(spec.Added, name)
		return nil
	})
	if err == nil && m.Running() {
		err = box.SyncProcesses(m.control())
	}
	if err != nil {
		return fmt.Errorf("remove %s from %s: %w", name, m.Name, err)
	}
	return nil
}

func named(processes []supervise.Process, name string) bool {
	return slices.ContainsFunc(processes, func(p supervise.Process) bool { return p.Name == name })
}

func without(processes []supervise.Process, name string) []supervise.Process {
	return slices.DeleteFunc(slices.Clone(processes), func(p supervise.Process) bool { return p.Name == name })
}

// AddImage brings an image with one static program, at /<its name>, into the
// machine, also for later boots.
func (m *Machine) AddImage(ctx context.Context, ref, program string) error {
	name := filepath.Base(program)
	archive := filepath.Join(m.cluster.Dir(), "images", name+".tar")
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		return err
	}
	digest, err := image.Build(archive, ref, runtime.GOARCH, map[string]string{"/" + name: program}, "/"+name)
	if err != nil {
		return err
	}
	err = m.changeSpec(ctx, func(spec *box.Spec) error {
		spec.Images = mergeImages(spec.Images, []box.Image{{Ref: ref, Archive: archive, Digest: digest}})
		return nil
	})
	if err != nil || !m.Running() {
		return err
	}
	return box.ImportImages(m.control())
}

// changeSpec changes the machine's spec. What Up would make of it stays.
func (m *Machine) changeSpec(ctx context.Context, change func(*box.Spec) error) error {
	unlock, err := lockCluster(ctx, m.cluster.Name())
	if err != nil {
		return err
	}
	defer unlock()
	spec, err := box.ReadSpec(m.specPath())
	if err != nil {
		return err
	}
	if err := change(&spec); err != nil {
		return err
	}
	return spec.Write(m.specPath())
}

// Compile builds one of the checkout's programs into BinDir, where all machines
// see it, and returns its path. The checkout is that around the working directory.
func (c *Cluster) Compile(ctx context.Context, pkg string) (string, error) {
	checkout, err := binaries.Checkout()
	if err != nil {
		return "", err
	}
	out := filepath.Join(c.BinDir(), filepath.Base(pkg))
	return out, compile(ctx, checkout, pkg, out)
}
