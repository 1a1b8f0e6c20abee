// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/steppe-io/steppe/hack/localcluster/binaries"
	"github.com/steppe-io/steppe/hack/localcluster/box"
)

// manifests is what a user would apply, relative to the checkout.
const manifests = "manifests/default"

// install brings Steppe into the cluster, as a user would: with kubectl and
// the manifests of the checkout.
func (u *up) install(ctx context.Context, images []builtImage) error {
	var installed []workload
	steps := []struct {
		name string
		do   func() error
	}{
		{"images imported", func() error { return u.importImages(ctx, images) }},
		{"manifests applied", func() (err error) { installed, err = u.applyManifests(ctx); return err }},
		{"Steppe runs", func() error { return u.rollOut(ctx, installed, images) }},
		{"node pools ready", func() error { return u.fillPools(ctx) }},
	}
	for _, s := range steps {
		if err := u.step(s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// importImages brings the images into the running machines, and into their
// specs for later boots.
func (u *up) importImages(ctx context.Context, images []builtImage) error {
	group, _ := errgroup.WithContext(ctx)
	for _, m := range u.Machines() {
		group.Go(func() error {
			spec, err := box.ReadSpec(m.specPath())
			if err != nil {
				return err
			}
			spec.Images = mergeImages(spec.Images, imagesFor(m, images))
			if err := spec.Write(m.specPath()); err != nil {
				return err
			}
			return box.ImportImages(m.control())
		})
	}
	return group.Wait()
}

// workload is what kubectl says of an applied object, as far as Up waits for
// it.
type workload struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Image string `json:"image"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

func (w workload) name() string { return strings.ToLower(w.Kind) + "/" + w.Metadata.Name }

// runsPods tells whether the object has pods whose rollout can be waited for.
func (w workload) runsPods() bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, w.Kind)
}

func (w workload) uses(images []string) bool {
	for _, c := range w.Spec.Template.Spec.Containers {
		if slices.Contains(images, c.Image) {
			return true
		}
	}
	return false
}

func (u *up) applyManifests(ctx context.Context) ([]workload, error) {
	// What the manifests say holds, also after somebody edited it by hand.
	out, err := u.kubectl(ctx, nil, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(u.opts.Checkout, manifests), "-o", "json")
	if err != nil {
		return nil, err
	}
	return parseApplied(out)
}

// parseApplied reads kubectl's JSON: one List.
func parseApplied(out []byte) ([]workload, error) {
	var list struct {
		Items []workload `json:"items"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("read what kubectl applied: %w", err)
	}
	return list.Items, nil
}

// rollOut restarts what runs an image of another digest than before, and waits
// until all workloads and API services are there.
func (u *up) rollOut(ctx context.Context, installed []workload, images []builtImage) error {
	changed, digests := changedImages(u.Images, images)
	for _, w := range installed {
		if w.runsPods() && w.uses(changed) {
			if _, err := u.kubectl(ctx, nil, "-n", w.Metadata.Namespace, "rollout", "restart", w.name()); err != nil {
				return err
			}
		}
	}
	u.Images = digests
	if err := u.write(); err != nil {
		return err
	}
	for _, w := range installed {
		if err := u.awaitWorkload(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// changedImages returns the images that were installed with another digest,
// and the digests now.
func changedImages(before map[string]string, images []builtImage) (changed []string, now map[string]string) {
	now = map[string]string{}
	for _, img := range images {
		now[img.Ref] = img.Digest
		if old, known := before[img.Ref]; known && old != img.Digest {
			changed = append(changed, img.Ref)
		}
	}
	return changed, now
}

func (u *up) awaitWorkload(ctx context.Context, w workload) error {
	limit := "--timeout=" + readyTimeout.String()
	var err error
	switch {
	case w.runsPods():
		_, err = u.kubectl(ctx, nil, "-n", w.Metadata.Namespace, "rollout", "status", w.name(), limit)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, u.explainPods(ctx, w.Metadata.Namespace))
		}
	case w.Kind == "APIService":
		_, err = u.kubectl(ctx, nil, "wait", "--for=condition=Available", w.name(), limit)
		if err != nil {
			status, _ := u.kubectl(ctx, nil, "get", w.name(), "-o", "jsonpath={.status}")
			err = fmt.Errorf("%w\n%s", err, status)
		}
	}
	return err
}

// explainPods shows the pods of a namespace and what happened to them, for
// an error message.
func (u *up) explainPods(ctx context.Context, namespace string) string {
	pods, _ := u.kubectl(ctx, nil, "-n", namespace, "get", "pods", "-o", "wide")
	events, _ := u.kubectl(ctx, nil, "-n", namespace, "get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp")
	return string(pods) + string(events)
}

// fillPools makes the node pools, spreads the edge nodes over them and waits
// until each node counts in its pool.
func (u *up) fillPools(ctx context.Context) error {
	pools := poolNames(u.Pools)
	// After a boot of the cloud machine Steppe's API may still be on its way,
	// though its objects say otherwise.
	err := poll(ctx, func(ctx context.Context) error {
		_, err := u.kubectl(ctx, poolsYAML(pools), "apply", "-f", "-")
		return err
	})
	if err != nil {
		return err
	}
	client, err := u.Client()
	if err != nil {
		return err
	}
	members := map[string][]string{}
	for n := 1; n <= u.Nodes; n++ {
		node, err := client.CoreV1().Nodes().Get(ctx, machineName(n), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pool := node.Labels[labelPool]; pool != "" {
			members[pool] = append(members[pool], node.Name)
			continue // its pool is the user's choice by now
		}
		pool := pools[(n-1)%len(pools)]
		members[pool] = append(members[pool], node.Name)
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, labelPool, pool)
		if _, err := client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	return poll(ctx, func(ctx context.Context) error { return u.poolsReady(ctx, members) })
}

// poolsYAML is what a user would write.
func poolsYAML(names []string) []byte {
	var out bytes.Buffer
	for _, name := range names {
		fmt.Fprintf(&out, "---\napiVersion: apps.openyurt.io/v1beta2\nkind: NodePool\nmetadata:\n  name: %s\nspec:\n  type: Edge\n", name)
	}
	return out.Bytes()
}

// poolsReady checks that each pool counts the members given, and as many nodes
// as they are as ready. It may have more: a user's own nodes, or those of a
// machine that was just removed.
func (u *up) poolsReady(ctx context.Context, members map[string][]string) error {
	out, err := u.kubectl(ctx, nil, "get", "nodepools", "-o", "json")
	if err != nil {
		return err
	}
	return checkPools(out, members)
}

// checkPools reads what kubectl says of all pools.
func checkPools(out []byte, members map[string][]string) error {
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Status   struct {
				ReadyNodeNum int      `json:"readyNodeNum"`
				Nodes        []string `json:"nodes"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return fmt.Errorf("read the node pools: %w", err)
	}
	var missing []error
	for _, pool := range list.Items {
		want := members[pool.Metadata.Name]
		for _, node := range want {
			if !slices.Contains(pool.Status.Nodes, node) {
				missing = append(missing, fmt.Errorf("pool %s does not count %s, only %q", pool.Metadata.Name, node, pool.Status.Nodes))
			}
		}
		if pool.Status.ReadyNodeNum < len(want) {
			missing = append(missing, fmt.Errorf("pool %s counts %d ready nodes, not %d", pool.Metadata.Name, pool.Status.ReadyNodeNum, len(want)))
		}
	}
	return errors.Join(missing...) // a user may have put a node into a pool that is yet to be made
}

// kubectl runs the cluster's kubectl and returns what it printed.
func (u *up) kubectl(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	// kubectl's own limit comes first, so that it can say what is missing.
	ctx, cancel := context.WithTimeout(ctx, readyTimeout+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(u.BinDir(), binaries.Kubectl), append([]string{
		// A cache of its own: the user's may be of another cluster that had
		// this address.
		"--cache-dir=" + filepath.Join(u.Dir(), "kubectl-cache"), "--kubeconfig=" + u.Kubeconfig(),
	}, args...)...)
	cmd.Env = u.Env()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), errors.Join(err, errors.New(strings.TrimSpace(stderr.String()))))
	}
	return stdout.Bytes(), nil
}
