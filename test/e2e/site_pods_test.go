// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/steppe-io/steppe/hack/localcluster"
)

// What ran before the coordinator took over runs on: the same containers of the same
// pods on the same node.
func testNodeGoesOn(t *testing.T, s *site) {
	node := s.waitNodeReady(t, cluster.Edge(1), s.pointed)
	if node.UID != s.node.UID {
		t.Errorf("the node was %s and is %s", s.node.UID, node.UID)
	}
	s.waitLeaseRenewed(t, cluster.Edge(1))
	pod := s.waitReady(t, goesOn, 0)
	if pod.UID != s.before.UID {
		t.Errorf("the pod was %s and is %s", s.before.UID, pod.UID)
	}
	before, after := s.before.Status.ContainerStatuses[0], pod.Status.ContainerStatuses[0]
	if before.ContainerID != after.ContainerID || after.RestartCount != 0 {
		t.Errorf("the container was %s and is %s after %d restarts", before.ContainerID, after.ContainerID, after.RestartCount)
	}
	eventually(t, "on edge-1 run the coordinator's pods alone", func(ctx context.Context) error { return onlyPodsOf(ctx, s.client, cluster.Edge(1)) })
}

// A node that the coordinator has never heard of appears, with all that belongs to
// it.
func testNodeRegisters(t *testing.T, s *site) {
	m := cluster.Edge(2)
	node := s.waitNodeReady(t, m, s.pointed)
	if got := node.Labels["openyurt.io/is-edge-worker"]; got != "true" {
		t.Errorf("its labels are %v", node.Labels)
	}
	if len(node.Status.Addresses) == 0 || node.Status.Addresses[0].Address != m.IP() || node.Status.NodeInfo.KubeletVersion == "" {
		t.Errorf("its status is %+v", node.Status)
	}
	s.waitLeaseRenewed(t, m)
	if _, err := s.client.StorageV1().CSINodes().Get(t.Context(), m.Name, metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

// A pod that is bound by hand, as a scheduler would, runs with all kinds of volumes
// that the API server fills.
func testBoundPod(t *testing.T, s *site) {
	s.createData(t)
	pod := testPod(nil, "site-bound", "serve")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{
		Name:      "FROM_SECRET",
		ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "site-data"}, Key: "word"}},
	}}
	const audience = "site-audience"
	mount(pod, "config", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "site-data"}}})
	mount(pod, "secret", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "site-data"}})
	mount(pod, "projected", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: audience}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{Path: "uid", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"}}}}},
	}}})
	created, err := s.pods().Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.deleteAtEnd(t, pod.Name)
	err = s.pods().Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: created.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: cluster.Edge(2).Name},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bound := s.waitReady(t, pod.Name, 0)
	if bound.Status.HostIP != cluster.Edge(2).IP() || !strings.HasPrefix(bound.Status.PodIP, "10.244.2.") || bound.Status.QOSClass != corev1.PodQOSBestEffort {
		t.Errorf("its status is %+v", bound.Status)
	}
	for file, want := range map[string]string{
		"/config/word": "from a ConfigMap", "/secret/word": "from a Secret", "/projected/uid": string(bound.UID),
	} {
		if got, err := s.exec(t.Context(), pod.Name, "/testimage", "cat", file); err != nil || got != want {
			t.Errorf("%s holds %q, %v, want %q", file, got, err, want)
		}
	}
	if env, err := s.exec(t.Context(), pod.Name, "/testimage", "env"); err != nil || !strings.Contains(env, "FROM_SECRET=from a Secret\n") {
		t.Errorf("the environment is %q, %v", env, err)
	}
	s.checkToken(t, bound, "/projected/token", audience)
	s.useToken(t, bound)
}

// createData makes a ConfigMap and a Secret that are deleted with the test.
func (s *site) createData(t *testing.T) {
	t.Helper()
	const name = "site-data"
	meta := metav1.ObjectMeta{Name: name}
	core := s.client.CoreV1()
	_, err1 := core.ConfigMaps(metav1.NamespaceDefault).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"word": "from a ConfigMap"}}, metav1.CreateOptions{})
	_, err2 := core.Secrets(metav1.NamespaceDefault).Create(t.Context(), &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"word": "from a Secret"}}, metav1.CreateOptions{})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err1 := core.ConfigMaps(metav1.NamespaceDefault).Delete(context.Background(), name, metav1.DeleteOptions{})
		err2 := core.Secrets(metav1.NamespaceDefault).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err := errors.Join(err1, err2); err != nil {
			t.Error(err)
		}
	})
}

// mount has the only container of a pod see a volume at /<name>.
func mount(pod *corev1.Pod, name string, source corev1.VolumeSource) {
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	container := &pod.Spec.Containers[0]
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
}

// checkToken has the coordinator review the token in a file of the pod.
func (s *site) checkToken(t *testing.T, pod *corev1.Pod, file, audience string) {
	t.Helper()
	token, err := s.exec(t.Context(), pod.Name, "/testimage", "cat", file)
	if err != nil {
		t.Fatal(err)
	}
	review, err := s.client.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	user := review.Status.User
	if !review.Status.Authenticated || user.Username != "system:serviceaccount:default:default" || !slices.Equal(review.Status.Audiences, []string{audience}) {
		t.Errorf("the review says %+v", review.Status)
	}
	if got := user.Extra["authentication.kubernetes.io/pod-uid"]; !slices.Equal(got, authenticationv1.ExtraValue{string(pod.UID)}) {
		t.Errorf("the token is bound to the pod %v, not %s", got, pod.UID)
	}
	other, err := s.client.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{"somebody else"}},
	}, metav1.CreateOptions{})
	if err != nil || other.Status.Authenticated {
		t.Errorf("for another audience the review says %+v, %v", other.Status, err)
	}
}

// useToken asks the coordinator who a pod is, with the token that every pod has.
func (s *site) useToken(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	token, err := s.exec(t.Context(), pod.Name, "/testimage", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(s.config)
	config.BearerToken = token
	config.Proxy = s.config.Proxy
	asPod, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	self, err := asPod.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || self.Status.UserInfo.Username != "system:serviceaccount:default:default" {
		t.Errorf("with its token the pod is %+v, %v", self, err)
	}
	if _, err := asPod.CoreV1().Secrets(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("with its token the pod lists secrets: %v", err)
	}
}

func testChangedVolume(t *testing.T, s *site) {
	s.createData(t)
	pod := testPod(cluster.Edge(2), "site-changed", "sleep", "1h")
	mount(pod, "config", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "site-data"}}})
	s.run(t, pod)
	patch := func(reference func(context.Context, []byte) error, text string) {
		t.Helper()
		if err := reference(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	patch(func(ctx context.Context, data []byte) error {
		_, err := s.client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Patch(ctx, "site-data", types.MergePatchType, data, metav1.PatchOptions{})
		return err
	}, `{"data":{"word":"changed"}}`)
	// The kubelet looks at volumes when a pod changes, and else once a minute.
	patch(func(ctx context.Context, data []byte) error {
		_, err := s.pods().Patch(ctx, pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
		return err
	}, `{"metadata":{"annotations":{"`+marker+`look":"again"}}}`)
	eventually(t, "the file changes", func(ctx context.Context) error {
		got, err := s.exec(ctx, pod.Name, "/testimage", "cat", "/config/word")
		if err == nil && got != "changed" {
			err = fmt.Errorf("it holds %q", got)
		}
		return err
	})
}

func testStaticPod(t *testing.T, s *site) {
	m := cluster.Edge(2)
	pod := testPod(nil, "site-static", "serve")
	pod.APIVersion, pod.Kind, pod.Namespace = "v1", "Pod", metav1.NamespaceDefault
	manifest, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/etc/kubernetes/manifests", pod.Name+".json")
	t.Cleanup(func() {
		if _, err := m.Exec(context.Background(), "rm", "-f", path); err != nil {
			t.Error(err)
		}
	})
	if err := m.WriteFile(t.Context(), path, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	name := pod.Name + "-" + m.Name
	mirror := s.waitReady(t, name, 0)
	if mirror.Annotations[corev1.MirrorPodAnnotationKey] == "" || len(mirror.OwnerReferences) != 1 || mirror.OwnerReferences[0].Kind != "Node" {
		t.Errorf("it is no mirror pod of a node: %+v", mirror.ObjectMeta)
	}
	if _, err := s.exec(t.Context(), name, "/testimage", "env"); err != nil {
		t.Error(err)
	}
	if _, err := m.Exec(t.Context(), "rm", path); err != nil {
		t.Fatal(err)
	}
	s.waitGone(t, name)
}

func (s *site) waitGone(t *testing.T, name string) time.Duration {
	t.Helper()
	return eventually(t, "pod "+name+" is gone from the site", func(ctx context.Context) error {
		pod, err := s.pods().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = notYet{pod.Status}
		}
		return err
	})
}

// The kubelet, and nobody before it, takes a pod away.
func testGracefulDeletion(t *testing.T, s *site) {
	pod := testPod(cluster.Edge(2), "site-deleted", "serve")
	pod.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}}
	created := s.run(t, pod)
	if err := s.pods().Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	ending, err := s.pods().Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err != nil || ending.DeletionTimestamp == nil || ending.UID != created.UID {
		t.Errorf("while it ends the pod is %+v, %v", ending, err)
	}
	if _, err := s.exec(t.Context(), pod.Name, "/testimage", "env"); err != nil {
		t.Errorf("while it ends the pod runs no more: %v", err)
	}
	if took := s.waitGone(t, pod.Name); took < time.Second {
		t.Errorf("it was gone after %s: nobody waited for it to end", took)
	}
	eventually(t, "the machine has nothing of it", func(ctx context.Context) error { return onlyPodsOf(ctx, s.client, cluster.Edge(2)) })
}

// The kubelet finds its pods as it left them.
func testKubeletRestarts(t *testing.T, s *site) {
	m := cluster.Edge(2)
	before := s.run(t, testPod(m, "site-restart", "serve"))
	for _, process := range []string{"containerd", "kubelet"} {
		killed := time.Now()
		if err := m.KillProcess(t.Context(), process); err != nil {
			t.Fatal(err)
		}
		if process == "kubelet" {
			s.waitNodeReady(t, m, killed)
		}
	}
	s.checkUntouched(t, before)
}

// checkUntouched checks that a pod is Ready in the very container that it had.
func (s *site) checkUntouched(t *testing.T, before *corev1.Pod) {
	t.Helper()
	after := s.waitReady(t, before.Name, 0)
	was, is := before.Status.ContainerStatuses[0], after.Status.ContainerStatuses[0]
	if before.UID != after.UID || was.ContainerID != is.ContainerID || is.RestartCount != was.RestartCount {
		t.Errorf("the pod was %s in %s and is %s in %s after %d restarts", before.UID, was.ContainerID, after.UID, is.ContainerID, is.RestartCount)
	}
	eventually(t, "exec works", func(ctx context.Context) error {
		_, err := s.exec(ctx, before.Name, "/testimage", "env")
		return err
	})
}

// Nodes and pods do not mind, and what was acknowledged is there.
func testCoordinatorKilled(t *testing.T, s *site) {
	before := s.run(t, testPod(cluster.Edge(2), "site-killed", "serve"))
	s.createData(t)
	if err := s.coordinator.KillProcess(t.Context(), coordinator); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the coordinator is ready again", s.ready)
	if _, err := s.client.CoreV1().Secrets(metav1.NamespaceDefault).Get(t.Context(), "site-data", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	for _, m := range s.machines() {
		s.waitLeaseRenewed(t, m)
	}
	s.checkUntouched(t, before)
	// Watches must have come back as well. A client that has lost its server several
	// times in two minutes waits for up to 30 s.
	s.run(t, testPod(cluster.Edge(1), "site-after-kill-1", "serve"))
	s.run(t, testPod(cluster.Edge(2), "site-after-kill-2", "serve"))
}

// When the power of a machine is back, its pods run again, and nobody had to ask the
// cloud.
func testPowerCut(t *testing.T, s *site, m *localcluster.Machine) {
	bound := s.run(t, testPod(m, "site-power-cut", "serve"))
	node, err := s.client.CoreV1().Nodes().Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	on := time.Now()
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the coordinator is ready", s.ready)
	after := s.waitReady(t, bound.Name, 1)
	if after.UID != bound.UID {
		t.Errorf("the pod was %s and is %s", bound.UID, after.UID)
	}
	if m.Name == s.node.Name {
		if pod := s.waitReady(t, goesOn, 1); pod.UID != s.before.UID {
			t.Errorf("the cloud's pod was %s and is %s", s.before.UID, pod.UID)
		}
	}
	again := s.waitNodeReady(t, m, on)
	if again.UID != node.UID || again.Status.NodeInfo.BootID == node.Status.NodeInfo.BootID {
		t.Errorf("the node was %s, booted as %s, and is %s, booted as %s", node.UID, node.Status.NodeInfo.BootID, again.UID, again.Status.NodeInfo.BootID)
	}
	s.waitLeaseRenewed(t, m)
	eventually(t, "exec works", func(ctx context.Context) error {
		_, err := s.exec(ctx, bound.Name, "/testimage", "env")
		return err
	})
}
