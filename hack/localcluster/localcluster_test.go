// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steppe-io/steppe/hack/localcluster/box"
	"github.com/steppe-io/steppe/hack/localcluster/cgroup"
)

// useStateRoot gives the test a state of its own.
func useStateRoot(t *testing.T) {
	t.Helper()
	old := stateRoot
	stateRoot = t.TempDir()
	t.Cleanup(func() { stateRoot = old })
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func TestRecordKeepsWhatIsNotAskedFor(t *testing.T) {
	useStateRoot(t)
	record := func(o Options) *Cluster {
		t.Helper()
		o.Name = "test"
		c, err := o.record(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stored, err := readState("test")
		if err != nil || stored.Nodes != c.Nodes || stored.Pools != c.Pools || stored.Index != c.Index || stored.NodeMonitorGracePeriod != c.NodeMonitorGracePeriod {
			t.Errorf("stored %+v, %v, want %+v", stored, err, c.state)
		}
		return c
	}
	if c := record(Options{}); c.Nodes != 2 || c.Pools != 2 {
		t.Errorf("a new cluster has %d nodes in %d pools", c.Nodes, c.Pools)
	}
	if c := record(Options{Nodes: 4, NodeMonitorGracePeriod: time.Second}); c.Nodes != 4 || c.Pools != 2 {
		t.Errorf("grown to %d nodes in %d pools", c.Nodes, c.Pools)
	}
	if c := record(Options{}); c.Nodes != 4 {
		t.Errorf("up without numbers changed the cluster to %d nodes", c.Nodes)
	}
}

// A removal that failed half-way has recorded the smaller number already.
func TestSurplusIsWhatExists(t *testing.T) {
	useStateRoot(t)
	c := &Cluster{state: state{Name: "test", Nodes: 2}}
	surplus := func() (names []string) {
		t.Helper()
		machines, err := c.surplus()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range machines {
			names = append(names, m.Name)
		}
		return names
	}
	if got := surplus(); got != nil {
		t.Errorf("a cluster without machines has the surplus %v", got)
	}
	for _, name := range []string{"cloud", "edge-1", "edge-4", "edge-10", "note"} {
		write(t, filepath.Join(c.machinesDir(), name, "spec.json"), "{}")
	}
	if got := surplus(); !slices.Equal(got, []string{"edge-4", "edge-10"}) {
		t.Errorf("surplus machines are %v", got)
	}
}

func TestCheckPools(t *testing.T) {
	const list = `{"items":[
		{"metadata":{"name":"hangzhou"},"status":{"readyNodeNum":2,"unreadyNodeNum":1,"nodes":["edge-1","edge-3","own"]}},
		{"metadata":{"name":"shanghai"},"status":{"readyNodeNum":0,"nodes":["edge-2"]}},
		{"metadata":{"name":"new"}}]}`
	tests := []struct {
		name, reason string
		members      map[string][]string
		want         string
	}{
		{"more than ours", "a user's nodes, or a removed one's count, do not matter", map[string][]string{"hangzhou": {"edge-1", "edge-3"}}, ""},
		{"not ready", "a member that is not ready is waited for", map[string][]string{"shanghai": {"edge-2"}}, "counts 0 ready"},
		{"not counted", "a node in another pool is waited for", map[string][]string{"hangzhou": {"edge-2"}}, "does not count edge-2"},
		{"no status", "a pool that nobody has counted is waited for", map[string][]string{"new": {"edge-1"}}, "does not count edge-1"},
		{"no pool", "a label may name a pool that is yet to be made", map[string][]string{"nowhere": {"edge-1"}}, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			err := checkPools([]byte(list), tc.members)
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestMissingPackagesOfTests(t *testing.T) {
	bin := t.TempDir()
	compiler := filepath.Join(bin, "mycc")
	t.Setenv("PATH", bin)
	t.Setenv("CC", "mycc -m64")
	for _, step := range []struct {
		script string
		want   []string
	}{
		{"", []string{"gcc", "libc6-dev"}},
		{"#!/bin/sh\nexit 1\n", []string{"libc6-dev"}},
		{"#!/bin/sh\n", nil},
	} {
		if step.script != "" {
			if err := os.WriteFile(compiler, []byte(step.script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if got := MissingPackages(ForTests); !slices.Equal(got, step.want) {
			t.Errorf("with the compiler %q there are missing %q, want %q", step.script, got, step.want)
		}
	}
	if err := CheckPackages(ForTests); err != nil {
		t.Errorf("nothing is missing, and yet: %v", err)
	}
}

// A proxy cannot reach the machines.
func TestClientsUseNoProxy(t *testing.T) {
	useStateRoot(t)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "example.com")
	c := &Cluster{state: state{Name: "test", Index: 3}}
	write(t, c.Kubeconfig(), `{"clusters":[{"name":"x","cluster":{"server":"https://10.77.3.10:6443"}}],"contexts":[{"name":"x","context":{"cluster":"x"}}],"current-context":"x"}`)
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if proxy, err := config.Proxy(httptest.NewRequest(http.MethodGet, config.Host, nil)); proxy != nil || err != nil {
		t.Errorf("requests go to the proxy %v, %v", proxy, err)
	}
	env := c.Env()
	for _, want := range []string{"NO_PROXY=example.com,10.77.3.10", "no_proxy=example.com,10.77.3.10"} {
		if !slices.Contains(env[len(env)-2:], want) {
			t.Errorf("the environment ends with %q, want %q", env[len(env)-2:], want)
		}
	}
}

func TestStateOfNoCluster(t *testing.T) {
	useStateRoot(t)
	if _, err := readState("nobody"); !errors.Is(err, ErrNotExist) {
		t.Errorf("error = %v, want ErrNotExist", err)
	}
	if names, err := clusterNames(); err != nil || len(names) != 0 {
		t.Errorf("clusters are %v, %v", names, err)
	}
}

func TestClusterNames(t *testing.T) {
	for name, valid := range map[string]bool{"steppe": true, "e2e": true, "": false, "2e": false, "a-b": false, "../x": false, "Steppe": false, "averyveryverylongname": false} {
		if err := validateName(name); (err == nil) != valid {
			t.Errorf("name %q: %v, want valid=%t", name, err, valid)
		}
	}
}

func TestChooseIndex(t *testing.T) {
	tests := []struct {
		name, reason string
		used         []int
		taken        []string
		want         int
	}{
		{"free", "the first cluster gets the first network", nil, nil, 0},
		{"others", "clusters do not share a network", []int{0, 1, 3}, nil, 2},
		{"address", "an address of the host is in use", nil, []string{"10.77.0.9/32"}, 1},
		{"network", "a network of the host is in use", nil, []string{"10.77.0.128/25", "10.77.1.0/24"}, 2},
		{"wide", "a VPN's wide network leaves room for ours in it", nil, []string{"10.0.0.0/8"}, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var taken []netip.Prefix
			for _, p := range tc.taken {
				taken = append(taken, netip.MustParsePrefix(p))
			}
			if got, err := chooseIndex(tc.used, taken); err != nil || got != tc.want {
				t.Errorf("%s: got %d, %v, want %d", tc.reason, got, err, tc.want)
			}
		})
	}
	var all []int
	for i := range maxIndex {
		all = append(all, i)
	}
	if _, err := chooseIndex(all, nil); err == nil {
		t.Error("chose a number when none is free")
	}
}

func TestPoolNames(t *testing.T) {
	if got := poolNames(1); !slices.Equal(got, []string{"hangzhou"}) {
		t.Errorf("one pool is %v", got)
	}
	if got := poolNames(4); !slices.Equal(got, []string{"hangzhou", "shanghai", "pool-3", "pool-4"}) {
		t.Errorf("four pools are %v", got)
	}
}

func TestLimitsAreRaisedOnceAndRestored(t *testing.T) {
	useStateRoot(t)
	oldRoot := sysRoot
	sysRoot = t.TempDir()
	t.Cleanup(func() { sysRoot = oldRoot })
	low, high := filepath.Join(sysRoot, "fs/inotify/max_user_instances"), filepath.Join(sysRoot, "fs/inotify/max_user_watches")
	write(t, low, "128\n")
	write(t, high, "9999999\n")
	for range 2 { // two clusters
		if err := raiseLimits(); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, low) != "8192" || read(t, high) != "9999999" {
		t.Errorf("raised to %s and %s", read(t, low), read(t, high))
	}
	for range 2 {
		if err := restoreLimits(); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, low) != "128" || read(t, high) != "9999999" {
		t.Errorf("restored to %s and %s", read(t, low), read(t, high))
	}
}

func TestPlaceReplacesOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	one, two, target := filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "bin")
	write(t, one, "one")
	write(t, two, "two!")
	for i, tc := range []struct {
		source string
		want   bool
	}{{one, true}, {one, false}, {two, true}} {
		changed, err := place(tc.source, target)
		if err != nil || changed != tc.want {
			t.Errorf("step %d: changed=%t, %v, want %t", i, changed, err, tc.want)
		}
	}
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	if read(t, target) != "two!" {
		t.Error("the program went with the cache")
	}
}

func TestCopyKeepsWhatPlaceCompares(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, source, "program")
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := copyFile(source, target, info); err != nil {
		t.Fatal(err)
	}
	if changed, err := place(source, target); changed || err != nil {
		t.Errorf("a copy counts as changed: %t, %v", changed, err)
	}
}

func TestLogsAreSavedAndShown(t *testing.T) {
	useStateRoot(t)
	c := &Cluster{state: state{Name: "test"}}
	pod := filepath.Join(c.machinesDir(), "cloud/disk", podLogs, "kube-system_yurt-manager-5f-x_uid/yurt-manager")
	write(t, filepath.Join(c.machinesDir(), "cloud/log/kubelet.log"), "from the kubelet")
	write(t, filepath.Join(c.machinesDir(), "edge-7/log/init.log"), "from a removed machine")
	for i, life := range []string{"2.log", "0.log", "1.log"} { // oldest first
		write(t, filepath.Join(pod, life), strings.Repeat("line\n", 100)+"end of "+life)
		when := time.Now().Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(pod, life), when, when); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := c.SaveLogs(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"cloud/kubelet.log": "from the kubelet", "edge-7/init.log": "from a removed machine"} {
		if got := read(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%s holds %q", path, got)
		}
	}
	var out strings.Builder
	if err := TailSteppe(&out, dir); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if strings.Contains(got, "end of 2.log") || strings.Index(got, "end of 0.log") > strings.Index(got, "end of 1.log") || !strings.Contains(got, "end of 0.log") {
		t.Errorf("the last two lives are shown as\n%s", got)
	}
	if strings.Count(got, "line\n") != 2*39 || !strings.Contains(got, "yurt-apiserver left no log") {
		t.Errorf("shown is\n%s", got)
	}
}

func TestMergeImages(t *testing.T) {
	old := []box.Image{{Ref: "a", Digest: "1"}, {Ref: "b", Digest: "1"}}
	got := mergeImages(old, []box.Image{{Ref: "b", Digest: "2"}, {Ref: "c", Digest: "1"}})
	want := []box.Image{{Ref: "b", Digest: "2"}, {Ref: "c", Digest: "1"}, {Ref: "a", Digest: "1"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	x, y := box.Spec{Hostname: "a", Images: old}, box.Spec{Hostname: "a", Images: got}
	if !sameMachine(x, y) {
		t.Error("other images make another machine")
	}
	if y.Path = "/bin"; sameMachine(x, y) {
		t.Error("another path makes no other machine")
	}
}

func TestChangedImages(t *testing.T) {
	image := func(ref, digest string) builtImage {
		return builtImage{Image: box.Image{Ref: ref, Digest: digest}}
	}
	changed, now := changedImages(map[string]string{"same": "1", "rebuilt": "1"}, []builtImage{image("same", "1"), image("rebuilt", "2"), image("new", "1")})
	if !slices.Equal(changed, []string{"rebuilt"}) || now["rebuilt"] != "2" || now["new"] != "1" {
		t.Errorf("changed %v, now %v", changed, now)
	}
}

func TestParseApplied(t *testing.T) {
	objects, err := parseApplied([]byte(`{"kind":"List","items":[
		{"kind":"ServiceAccount","metadata":{"name":"x","namespace":"kube-system"}},
		{"kind":"Deployment","metadata":{"name":"x","namespace":"kube-system"},"spec":{"template":{"spec":{"containers":[{"image":"a:dev"}]}}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].runsPods() || !objects[1].runsPods() || !objects[1].uses([]string{"a:dev"}) || objects[1].uses([]string{"b:dev"}) {
		t.Errorf("parsed %+v", objects)
	}
	if objects[1].name() != "deployment/x" {
		t.Errorf("name is %s", objects[1].name())
	}
}

func TestInitIsToldFromOtherProcesses(t *testing.T) {
	start, alive := processStart(os.Getpid())
	if !alive || start == "" {
		t.Errorf("this process started at %q, alive=%t", start, alive)
	}
	if _, alive := processStart(1 << 30); alive {
		t.Error("a process that cannot exist is alive")
	}
	useStateRoot(t)
	m := (&Cluster{state: state{Name: "test"}}).Cloud()
	write(t, m.pidPath(), `{"pid":1,"start":"not its start"}`)
	if m.Running() {
		t.Error("another process with the init's id passes for it")
	}
}

func TestLocksExcludeEachOther(t *testing.T) {
	useStateRoot(t)
	unlock, err := lockCluster(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := lockCluster(ctx, "test"); err == nil {
		t.Fatal("locked twice")
	}
	unlock()
	again, err := lockCluster(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestDownOfNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("Down needs root")
	}
	useStateRoot(t)
	if err := Down(t.Context(), "nothing", nil); err != nil {
		t.Error(err)
	}
	if cgroup.Exists((state{Name: "nothing"}).cgroup()) {
		t.Error("Down made a control group")
	}
}
