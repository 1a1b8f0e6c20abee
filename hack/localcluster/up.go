// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/controlplane"
)

// Up brings a cluster up, or an existing one to what the options ask for:
// missing machines are made, machines that are off are powered on, cut links
// healed, what was rebuilt is installed again. It returns when all nodes are
// Ready and, unless skipped, Steppe works.
func Up(ctx context.Context, opts Options) (*Cluster, error) {
	if err := errors.Join(opts.complete(), requireRoot(), CheckPackages(ForCluster)); err != nil {
		return nil, err
	}
	unlock, err := lockCluster(ctx, opts.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c, err := opts.record(ctx)
	if err != nil {
		return nil, err
	}
	u := &up{Cluster: c, opts: opts, progress: newProgress(opts.Progress)}
	u.printf("cluster %s: kubernetes %s, %d edge nodes in %d pools\n", c.Name(), binaries.KubernetesVersion, c.Nodes, c.Pools)
	if err := u.run(ctx); err != nil {
		return nil, fmt.Errorf("bring up the cluster %s: %w\nlogs are in %s; up again goes on from here, down removes all", c.Name(), err, c.machinesDir())
	}
	u.printf("cluster %s is up after %s\n", c.Name(), u.elapsed())
	return c, nil
}

// up is one run of Up.
type up struct {
	*Cluster
	*progress
	opts Options
	plan *controlplane.Plan
	// replaced tells that third-party programs changed since the machines were
	// booted.
	replaced bool
}

// run is the order of things. Steppe is compiled while the machines boot.
func (u *up) run(ctx context.Context) error {
	built := make(chan error, 1)
	var products []builtImage
	buildCtx, stopBuild := context.WithCancel(ctx)
	defer func() {
		stopBuild()
		<-built //nolint:errcheck // whoever waits for the products has read it
	}()

	if err := u.step("third-party programs", func() error { return u.ensurePrograms(ctx) }); err != nil {
		close(built)
		return err
	}
	go func() {
		defer close(built)
		var err error
		if products, err = u.buildProducts(buildCtx); err != nil {
			built <- err
		}
	}()
	if err := u.bringUpNodes(ctx); err != nil {
		return err
	}
	if u.opts.SkipInstall {
		return nil
	}
	if err := u.step("Steppe's images built (since the machines' launch)", func() error { return <-built }); err != nil {
		return err
	}
	return u.install(ctx, products)
}

func (u *up) buildProducts(ctx context.Context) ([]builtImage, error) {
	if u.opts.SkipInstall {
		return nil, nil
	}
	return u.buildImages(ctx, u.opts.Checkout, products()...)
}

// ensurePrograms puts the third-party programs into the cluster's own folder:
// pruning the cache must not break a running cluster.
func (u *up) ensurePrograms(ctx context.Context) error {
	source := filepath.Join(u.opts.Checkout, "hack", "binaries")
	set, err := binaries.Ensure(ctx, binaries.Options{Source: source, Progress: u.out}, binaries.Machines()...)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(u.BinDir(), 0o755); err != nil {
		return err
	}
	for name, path := range set {
		changed, err := place(path, filepath.Join(u.BinDir(), name))
		if err != nil {
			return err
		}
		u.replaced = u.replaced || changed
	}
	return nil
}

// place makes target the same file as source, or a copy of it where a link is
// impossible, and tells whether it was something else before.
func place(source, target string) (changed bool, err error) {
	from, err := os.Stat(source)
	if err != nil {
		return false, err
	}
	if to, err := os.Stat(target); err == nil {
		if os.SameFile(from, to) || (to.Size() == from.Size() && to.ModTime().Equal(from.ModTime())) {
			return false, nil
		}
	}
	temp := target + ".new"
	_ = os.Remove(temp)
	if err := os.Link(source, temp); err != nil {
		if err := copyFile(source, temp, from); err != nil {
			return false, err
		}
	}
	return true, os.Rename(temp, target)
}

func copyFile(source, target string, info os.FileInfo) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return errors.Join(out.Close(), os.Chtimes(target, info.ModTime(), info.ModTime()))
}

// bringUpNodes leads to all nodes Ready.
func (u *up) bringUpNodes(ctx context.Context) error {
	var testImage []builtImage
	steps := []struct {
		name string
		do   func() error
	}{
		{"machines' init and test image", func() (err error) {
			if err := compile(ctx, u.opts.Checkout, "./hack/localcluster/cmd/box-init", filepath.Join(u.BinDir(), boxInit)); err != nil {
				return err
			}
			testImage, err = u.buildImages(ctx, u.opts.Checkout, testSource)
			return err
		}},
		{"certificates", u.prepareControlPlane},
		{"network", func() error { return u.prepareNetwork(ctx) }},
		{"machines booted", func() error { return u.bootAll(ctx, testImage) }},
		{"API server ready", func() error { return u.waitAPIServer(ctx) }},
		{"nodes ready", func() error { return u.settleNodes(ctx) }},
	}
	for _, s := range steps {
		if err := u.step(s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// prepareControlPlane makes the certificates and the cloud's command lines.
func (u *up) prepareControlPlane() error {
	config := controlplane.Config{
		Dir:               u.controlPlaneDir(),
		Binaries:          binaries.Set{},
		Name:              u.Name(),
		Address:           u.machineIP(0),
		Listen:            "0.0.0.0",
		ExtraHosts:        []string{cloudName},
		Ports:             controlplane.StandardPorts,
		ServiceCIDR:       serviceCIDR,
		ControllerManager: true,
		Scheduler:         true,
	}
	for _, name := range binaries.Machines() {
		config.Binaries[name] = filepath.Join(u.BinDir(), name)
	}
	if d := u.NodeMonitorGracePeriod; d > 0 {
		config.ControllerManagerArgs = append(config.ControllerManagerArgs, "--node-monitor-grace-period="+d.String())
	}
	var err error
	if u.plan, err = controlplane.Prepare(config); err != nil {
		return err
	}
	link := u.Kubeconfig() + ".new"
	_ = os.Remove(link)
	return errors.Join(os.Symlink(u.plan.Kubeconfig(), link), os.Rename(link, u.Kubeconfig()))
}

func (u *up) prepareNetwork(ctx context.Context) error {
	unlock, err := lockHost(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := raiseLimits(); err != nil {
		return err
	}
	return u.ensureWAN(ctx)
}

// bootAll powers on all machines with the present spec and heals their links.
func (u *up) bootAll(ctx context.Context, images []builtImage) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range u.Machines() {
		spec, err := m.spec(u.plan, imagesFor(m, images))
		if err != nil {
			return err
		}
		group.Go(func() error { return u.bootWith(ctx, m, spec) })
	}
	return group.Wait()
}

// bootWith boots the machine, or boots it again if it runs with another spec
// or other programs.
func (u *up) bootWith(ctx context.Context, m *Machine, spec box.Spec) error {
	if err := os.MkdirAll(m.dir(), 0o755); err != nil {
		return err
	}
	old, err := box.ReadSpec(m.specPath())
	spec.Added = old.Added // to stay until they are removed
	if err == nil && m.Running() {
		spec.Images = mergeImages(old.Images, spec.Images)
		if u.replaced || !sameMachine(old, spec) {
			u.printf("          %s is booted again: its configuration changed\n", m.Name)
			if err := m.PowerOff(ctx); err != nil {
				return err
			}
		}
	}
	if err := spec.Write(m.specPath()); err != nil {
		return err
	}
	// Also for a machine that runs: it needs a route to a new one.
	if err := u.ensureMachineNetwork(ctx, m); err != nil {
		return err
	}
	if err := m.Heal(ctx); err != nil {
		return err
	}
	if m.Running() {
		return box.ImportImages(m.control())
	}
	return m.PowerOn(ctx)
}

// sameMachine compares what only a boot applies. Images are imported into a
// running machine.
func sameMachine(x, y box.Spec) bool {
	x.Images, y.Images = nil, nil
	a, errA := json.Marshal(x)
	b, errB := json.Marshal(y)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// mergeImages returns the old images with those of the same name replaced and
// new ones added.
func mergeImages(old, fresh []box.Image) []box.Image {
	merged := append([]box.Image(nil), fresh...)
	for _, img := range old {
		known := false
		for _, other := range fresh {
			known = known || other.Ref == img.Ref
		}
		if !known {
			merged = append(merged, img)
		}
	}
	return merged
}
