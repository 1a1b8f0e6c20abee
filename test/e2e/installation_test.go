// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steppe-io/steppe/apis/apps"
	appsv1beta2 "github.com/steppe-io/steppe/apis/apps/v1beta2"
)

// versions of the API group.
var versions = []string{"v1beta2", "v1beta1", "v1alpha1"}

// apiService is what the tests look at in an APIService.
type apiService struct {
	Spec struct {
		CABundle              []byte `json:"caBundle"`
		InsecureSkipTLSVerify bool   `json:"insecureSkipTLSVerify"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// The kube-apiserver verifies whom it passes requests to, for each version: it
// has been given a CA and not been told to go without.
func TestAPIServicesAreTrusted(t *testing.T) {
	requirePools(t)
	for _, version := range versions {
		name := version + "." + apps.GroupName
		eventually(t, name+" is trusted and available", func(ctx context.Context) error {
			content, err := client.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices", name).DoRaw(ctx)
			if err != nil {
				return err
			}
			var service apiService
			if err := json.Unmarshal(content, &service); err != nil {
				return err
			}
			return service.check()
		})
	}
}

func (s *apiService) check() error {
	available := slices.ContainsFunc(s.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == "Available" && c.Status == metav1.ConditionTrue
	})
	switch {
	case s.Spec.InsecureSkipTLSVerify:
		return errors.New("nobody verifies who answers")
	case !x509.NewCertPool().AppendCertsFromPEM(s.Spec.CABundle):
		return fmt.Errorf("there is no certificate in caBundle %q", s.Spec.CABundle)
	case !available:
		return fmt.Errorf("not available: %+v", s.Status.Conditions)
	}
	return nil
}

// Clients learn in one request, from the kube-apiserver, that there are pools
// and what can be done with them.
func TestAggregatedDiscoveryListsPools(t *testing.T) {
	requirePools(t)
	eventually(t, "aggregated discovery", func(ctx context.Context) error {
		content, err := client.Discovery().RESTClient().Get().AbsPath("/apis").
			SetHeader("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList").DoRaw(ctx)
		if err != nil {
			return err
		}
		var all apidiscoveryv2.APIGroupDiscoveryList
		if err := json.Unmarshal(content, &all); err != nil {
			return err
		}
		for _, group := range all.Items {
			if group.Name == apps.GroupName {
				return checkDiscovery(group)
			}
		}
		return errors.New("the group is missing")
	})
}

func checkDiscovery(group apidiscoveryv2.APIGroupDiscovery) error {
	var listed []string
	for _, version := range group.Versions {
		listed = append(listed, version.Version)
		if version.Freshness != apidiscoveryv2.DiscoveryFreshnessCurrent {
			return fmt.Errorf("%s is %s", version.Version, version.Freshness)
		}
		if len(version.Resources) != 1 {
			return fmt.Errorf("%s has %d resources, want nodepools alone", version.Version, len(version.Resources))
		}
		r := version.Resources[0]
		if r.Resource != "nodepools" || r.SingularResource != "nodepool" || r.Scope != apidiscoveryv2.ScopeCluster ||
			!slices.Equal(r.ShortNames, []string{"np"}) || len(r.Subresources) != 1 {
			return fmt.Errorf("%s has %+v", version.Version, r)
		}
	}
	if !slices.Equal(listed, versions) {
		return fmt.Errorf("the versions are %v, want %v", listed, versions)
	}
	return nil
}

// Applying the manifests again, as anybody does who is not sure or whose
// pipeline does it every hour, changes nothing: not the certificates that Steppe
// has filled in, nor does anything start anew.
func TestManifestsApplyTwice(t *testing.T) {
	requirePools(t)
	manifests := filepath.Join("..", "..", "manifests", "default")
	state := func() map[string]any {
		out, err := kubectl(t, "", "get", "--output=json", "-k", manifests)
		if err != nil {
			t.Fatal(err)
		}
		var list struct {
			Items []map[string]any `json:"items"`
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		objects := map[string]any{}
		for _, object := range list.Items {
			meta := object["metadata"].(map[string]any)
			delete(object, "status")
			delete(meta, "resourceVersion") // also changes with the status
			objects[fmt.Sprint(object["kind"], " ", meta["name"])] = object
		}
		for _, program := range []string{yurtAPIServer, yurtManager} {
			pod, err := podOf(t.Context(), program)
			if err != nil {
				t.Fatal(err)
			}
			objects["Pod "+program] = fmt.Sprint(pod.Name, " with restarts: ", pod.Status.ContainerStatuses[0].RestartCount)
		}
		return objects
	}
	apply := func() {
		out, err := kubectl(t, "", "apply", "--server-side", "-k", manifests)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out, "serverside-applied"); n < 10 {
			t.Errorf("kubectl applied %d objects:\n%s", n, out)
		}
	}
	apply() // a cluster that runs already may be of other manifests
	awaitRollout(t)
	awaitLeader(t)
	before := state()
	apply()
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Errorf("after the manifests were applied again (-before +after):\n%s", diff)
	}
	if err := poolsAsNew(t.Context()); err != nil {
		t.Error(err)
	}
}

// Whoever may view the cluster may view its pools, and not change them.
func TestViewersSeePools(t *testing.T) {
	requirePools(t)
	const viewer = "e2e-viewer"
	bindings := client.RbacV1().ClusterRoleBindings()
	remove := func(ctx context.Context) error {
		if err := bindings.Delete(ctx, viewer, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	}
	if err := remove(t.Context()); err != nil { // of a test that was killed
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := await(context.Background(), remove); err != nil {
			t.Errorf("remove the viewer: %v", err)
		}
	})
	if _, err := kubectl(t, "", "get", "nodepools", "--as="+viewer); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("somebody without any rights gets pools, %v", err)
	}
	_, err := bindings.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: viewer},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: viewer}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the viewer gets pools", func(context.Context) error {
		_, err := kubectl(t, "", "get", "nodepools", "--as="+viewer)
		return err
	})
	if _, err := kubectl(t, "", "delete", "nodepool", hangzhou, "--dry-run=server", "--as="+viewer); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("a viewer deletes pools, %v", err)
	}
}

// The rights in the manifests are enough: from its start, through everything
// that it does, neither program is refused anything by the kube-apiserver.
//
// Both are started anew for it, in the orderly way. Their logs up to now may
// hold a refusal that says nothing, as a kube-apiserver that has been killed
// refuses everything until it has read its roles again.
func TestPermissionsSuffice(t *testing.T) {
	requirePools(t)
	before := uids(t)
	for _, program := range []string{yurtAPIServer, yurtManager} {
		if _, err := kubectl(t, "", "-n", metav1.NamespaceSystem, "rollout", "restart", "deployment", program); err != nil {
			t.Fatal(err)
		}
	}
	awaitRollout(t)
	eventually(t, "pools are served", poolsAsNew)
	if after := uids(t); after != before {
		t.Errorf("the pools were %v and are %v", before, after)
	}

	const name = "e2e-permissions"
	cleanAtEnd(t, "edge-1")
	createPool(t, name, appsv1beta2.NodePoolSpec{
		Labels: map[string]string{marker + "site": "west"},
		Taints: []corev1.Taint{preferNoSchedule("site", "west")},
	})
	join(t, cluster.Edge(1), name)
	eventually(t, "the node has the attributes of its pool", nodeHas("edge-1", attributes{
		Labels: map[string]string{marker + "site": "west"}, Annotations: map[string]string{}, Taints: []string{marker + "site=west:PreferNoSchedule"},
	}))
	eventually(t, "the node is counted", counts(name, 1, 0, "edge-1"))
	if err := steppe.AppsV1beta2().NodePools().Delete(t.Context(), name, metav1.DeleteOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("deleting a pool with a node gave %v", err)
	}
	if err := setPool(t.Context(), "edge-1", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node has left", counts(name, 0, 0))
	for _, program := range []string{yurtAPIServer, yurtManager} {
		pod, err := podOf(t.Context(), program)
		if err != nil {
			t.Fatal(err)
		}
		log, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(log) == 0 {
			t.Errorf("%s has not logged anything", program)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(strings.ToLower(line), "forbidden") {
				t.Errorf("%s was refused something: %s", program, line)
			}
		}
	}
}

// awaitRollout waits until only the newest pods of Steppe's programs are there.
func awaitRollout(t *testing.T) {
	t.Helper()
	for _, program := range []string{yurtAPIServer, yurtManager} {
		if _, err := kubectl(t, "", "-n", metav1.NamespaceSystem, "rollout", "status", "deployment", program, "--timeout="+patience.String()); err != nil {
			t.Fatal(err)
		}
		eventually(t, program+" has one pod", func(ctx context.Context) error {
			_, err := podOf(ctx, program)
			return err
		})
	}
}

// awaitLeader waits until yurt-manager renews its Lease. One that has lost it, as
// when an earlier test stopped the kube-apiserver, ends and starts anew a moment
// later; its successor renews only after that.
func awaitLeader(t *testing.T) {
	t.Helper()
	start := time.Now()
	eventually(t, "yurt-manager renews its Lease", func(ctx context.Context) error {
		lease, err := client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(ctx, yurtManager, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if lease.Spec.RenewTime == nil || !lease.Spec.RenewTime.After(start) {
			return fmt.Errorf("it was renewed last at %v", lease.Spec.RenewTime)
		}
		return nil
	})
}
