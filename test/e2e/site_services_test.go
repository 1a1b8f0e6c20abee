// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/steppe-io/steppe/hack/localcluster"
	"github.com/steppe-io/steppe/hack/localcluster/binaries"
)

const kubeProxyConfig = "/var/lib/kube-proxy/config.yaml"

// testServices has kube-proxy, in one of its modes, make Services of what the
// coordinator has.
func testServices(t *testing.T, s *site, mode string) {
	for _, m := range s.machines() {
		s.setProxyMode(t, m, mode)
	}
	one := s.run(t, testPod(cluster.Edge(1), "site-one", "serve"))
	two := s.run(t, testPod(cluster.Edge(2), "site-two", "serve"))
	service := s.createService(t, "site-service", corev1.ServiceTypeNodePort)
	clusterIP := "http://" + service.Spec.ClusterIP
	everywhere := map[string]func(context.Context) (string, error){
		"the service's address in a pod of edge-1":  s.fromPod(one, clusterIP),
		"the service's address in a pod of edge-2":  s.fromPod(two, clusterIP),
		"the service's address on the host edge-1":  fromHost(cluster.Edge(1), clusterIP),
		"the service's address on the host edge-2":  fromHost(cluster.Edge(2), clusterIP),
		"edge-2's port of the service, from edge-1": fromHost(cluster.Edge(1), fmt.Sprintf("http://%s:%d", cluster.Edge(2).IP(), service.Spec.Ports[0].NodePort)),
	}
	reach := func(pods ...*corev1.Pod) {
		t.Helper()
		for where, fetch := range everywhere {
			eventually(t, fmt.Sprintf("%s leads to %d pods", where, len(pods)), func(ctx context.Context) error { return reaches(ctx, fetch, pods) })
		}
	}
	s.setEndpoints(t, service, one, two)
	reach(one, two)
	s.setEndpoints(t, service, two)
	reach(two)

	// What was programmed does not need the coordinator.
	if err := s.coordinator.StopProcess(t.Context(), coordinator); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.coordinator.StartProcess(context.Background(), coordinator); err != nil {
			t.Error(err)
		}
	})
	for _, m := range s.machines() {
		if _, err := fromHost(m, clusterIP)(t.Context()); err != nil {
			t.Errorf("without the coordinator the service on %s: %v", m.Name, err)
		}
	}
	if err := s.coordinator.StartProcess(t.Context(), coordinator); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the coordinator is ready again", s.ready)
	s.setEndpoints(t, service, one)
	reach(one)

	if err := s.client.CoreV1().Services(metav1.NamespaceDefault).Delete(t.Context(), service.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.machines() {
		eventually(t, "the service's address on the host "+m.Name+" leads nowhere", func(ctx context.Context) error {
			if got, err := fromHost(m, clusterIP)(ctx); err == nil {
				return fmt.Errorf("it leads to %q", got)
			}
			return nil
		})
	}
}

// setProxyMode restarts the machine's kube-proxy in a mode, until the test ends.
func (s *site) setProxyMode(t *testing.T, m *localcluster.Machine, mode string) {
	t.Helper()
	before, err := m.ReadFile(t.Context(), kubeProxyConfig)
	if err != nil {
		t.Fatal(err)
	}
	write := func(ctx context.Context, content []byte) error {
		return errors.Join(m.WriteFile(ctx, kubeProxyConfig, content, 0o644), m.RestartProcess(ctx, "kube-proxy"))
	}
	t.Cleanup(func() {
		if err := write(context.Background(), before); err != nil {
			t.Error(err)
		}
	})
	now := bytes.Replace(before, []byte("mode: nftables"), []byte("mode: "+mode), 1)
	if !bytes.Contains(now, []byte("mode: "+mode)) {
		t.Fatalf("the configuration of kube-proxy is\n%s", before)
	}
	if err := write(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	eventually(t, m.Name+"'s kube-proxy uses "+mode, func(ctx context.Context) error {
		got, err := fromHost(m, "http://127.0.0.1:10249/proxyMode")(ctx)
		if err == nil && got != mode {
			err = fmt.Errorf("it uses %s", got)
		}
		return err
	})
}

// fromPod returns a function that fetches a URL in a pod, through the coordinator.
func (s *site) fromPod(pod *corev1.Pod, url string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return s.exec(ctx, pod.Name, "/testimage", "get", url) }
}

// fromHost returns a function that fetches a URL on a machine, outside its pods.
func fromHost(m *localcluster.Machine, url string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return m.Exec(ctx, filepath.Join(cluster.Dir(), "images", "testimage"), "get", url)
	}
}

// reaches checks that what is fetched comes from exactly these pods.
func reaches(ctx context.Context, fetch func(context.Context) (string, error), pods []*corev1.Pod) error {
	// Two pods take turns by chance: one of them misses all with 1 in 32,768.
	const tries = 16
	seen := map[string]bool{}
	for range tries {
		got, err := fetch(ctx)
		if err != nil {
			return err
		}
		host, _, _ := strings.Cut(got, "\n")
		seen[host] = true
	}
	for _, pod := range pods {
		if !seen[pod.Name] {
			return fmt.Errorf("%s never answered, only %v", pod.Name, seen)
		}
	}
	if len(seen) > len(pods) {
		return fmt.Errorf("there answered %v", seen)
	}
	return nil
}

// createService makes a Service of port 80 that is deleted with the test. It has no
// selector: on the site there is nobody to follow one.
func (s *site) createService(t *testing.T, name string, kind corev1.ServiceType, ports ...corev1.ServicePort) *corev1.Service {
	t.Helper()
	if len(ports) == 0 {
		ports = []corev1.ServicePort{{Port: 80, TargetPort: servePort}}
	}
	services := s.client.CoreV1().Services(metav1.NamespaceDefault)
	service, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: kind, Ports: ports},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Delete(context.Background(), name, metav1.DeleteOptions{}) })
	if service.Spec.ClusterIP == "" || kind == corev1.ServiceTypeNodePort && service.Spec.Ports[0].NodePort == 0 {
		t.Fatalf("the service was given no address: %+v", service.Spec)
	}
	return service
}

// setEndpoints makes pods the ones behind a Service.
func (s *site) setEndpoints(t *testing.T, service *corev1.Service, pods ...*corev1.Pod) {
	t.Helper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: service.Name, Labels: map[string]string{discoveryv1.LabelServiceName: service.Name}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, port := range service.Spec.Ports {
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{
			Name: ptr.To(port.Name), Port: ptr.To(port.TargetPort.IntVal), Protocol: ptr.To(port.Protocol),
		})
	}
	for _, pod := range pods {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{pod.Status.PodIP}, NodeName: &pod.Spec.NodeName, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		})
	}
	endpointSlices := s.client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault)
	_ = endpointSlices.Delete(t.Context(), slice.Name, metav1.DeleteOptions{})
	if _, err := endpointSlices.Create(t.Context(), slice, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = endpointSlices.Delete(context.Background(), slice.Name, metav1.DeleteOptions{}) })
}

const (
	coreDNSImage = "steppe.local/coredns:dev"
	dnsName      = "site-dns"
)

var (
	dnsPort      = intstr.FromInt32(53)
	dnsReadyPort = intstr.FromInt32(8181)
)

// coreDNSFiles are its configuration. It reaches the coordinator with the token that
// the coordinator has made for its pod.
func coreDNSFiles(server string) map[string]string {
	return map[string]string{
		"Corefile": `.:53 {
    errors
    ready
    kubernetes cluster.local {
        kubeconfig /dns/kubeconfig site
        ttl 1
    }
}
`,
		"kubeconfig": fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: site
  cluster:
    server: %s
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
users:
- name: site
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
contexts:
- name: site
  context: {cluster: site, user: site}
`, server),
	}
}

// testCoreDNS resolves the names of Services by a CoreDNS that asks the coordinator.
func testCoreDNS(t *testing.T, s *site) {
	dns := s.runCoreDNS(t)
	ports := []corev1.ServicePort{
		{Name: "dns", Port: 53, TargetPort: dnsPort, Protocol: corev1.ProtocolUDP},
		{Name: "dns-tcp", Port: 53, TargetPort: dnsPort, Protocol: corev1.ProtocolTCP},
	}
	server := s.createService(t, dnsName, corev1.ServiceTypeClusterIP, ports...)
	s.setEndpoints(t, server, dns)

	caller := testPod(cluster.Edge(1), "site-caller", "sleep", "1h")
	caller.Spec.DNSPolicy = corev1.DNSNone
	caller.Spec.DNSConfig = &corev1.PodDNSConfig{
		Nameservers: []string{server.Spec.ClusterIP},
		Searches:    []string{"default.svc.cluster.local", "svc.cluster.local"},
	}
	caller = s.run(t, caller)
	web := s.run(t, testPod(cluster.Edge(2), "site-web", "serve"))
	resolves := func(name string) {
		t.Helper()
		eventually(t, name+" is resolved and reached", func(ctx context.Context) error {
			got, err := s.fromPod(caller, "http://"+name)(ctx)
			if err == nil && !strings.HasPrefix(got, web.Name+"\n") {
				err = fmt.Errorf("it leads to %q", got)
			}
			return err
		})
	}
	for _, name := range []string{"site-before", "site-after"} {
		s.setEndpoints(t, s.createService(t, name, corev1.ServiceTypeClusterIP), web)
		resolves(name + ".default.svc.cluster.local")
		resolves(name)
		// The second is one that CoreDNS hears of when it watches a coordinator that
		// was killed meanwhile.
		if name == "site-before" {
			if err := s.coordinator.KillProcess(t.Context(), coordinator); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the coordinator is ready again", s.ready)
		}
	}
	if err := s.client.CoreV1().Services(metav1.NamespaceDefault).Delete(t.Context(), "site-after", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the name of a deleted service is unknown", func(ctx context.Context) error {
		_, err := s.fromPod(caller, "http://site-after.default.svc.cluster.local.")(ctx)
		if err == nil || !strings.Contains(err.Error(), "no such host") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
}

// runCoreDNS runs CoreDNS in a pod, with the rights that it has in every cluster.
func (s *site) runCoreDNS(t *testing.T) *corev1.Pod {
	t.Helper()
	m := cluster.Edge(2)
	programs, err := binaries.Ensure(t.Context(), binaries.Options{}, binaries.CoreDNS)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.AddImage(t.Context(), coreDNSImage, programs[binaries.CoreDNS]); err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Name: dnsName}
	core, rbac := s.client.CoreV1(), s.client.RbacV1()
	_, err1 := core.ServiceAccounts(metav1.NamespaceDefault).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	_, err2 := core.ConfigMaps(metav1.NamespaceDefault).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: meta, Data: coreDNSFiles(s.server)}, metav1.CreateOptions{})
	_, err3 := rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "pods", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	}}, metav1.CreateOptions{})
	_, err4 := rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: dnsName},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: dnsName}},
	}, metav1.CreateOptions{})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		err := errors.Join(
			core.ServiceAccounts(metav1.NamespaceDefault).Delete(ctx, dnsName, metav1.DeleteOptions{}),
			core.ConfigMaps(metav1.NamespaceDefault).Delete(ctx, dnsName, metav1.DeleteOptions{}),
			rbac.ClusterRoles().Delete(ctx, dnsName, metav1.DeleteOptions{}),
			rbac.ClusterRoleBindings().Delete(ctx, dnsName, metav1.DeleteOptions{}),
		)
		if err != nil {
			t.Error(err)
		}
	})
	pod := testPod(m, dnsName, "-conf", "/dns/Corefile")
	pod.Spec.ServiceAccountName = dnsName
	container := &pod.Spec.Containers[0]
	container.Image = coreDNSImage
	container.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: dnsReadyPort}},
		PeriodSeconds: 1,
	}
	mount(pod, "dns", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: dnsName}}})
	return s.run(t, pod)
}
