// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// createForWrites creates what only writes are about.
func createForWrites(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	create(t, client, "", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: corev1.NamespaceNodeLease}})
	for _, name := range []string{"a", "b"} {
		create(t, client, "coordination.k8s.io", &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: name}})
		create(t, client, "storage.k8s.io", &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	create(t, client, "rbac.authorization.k8s.io", audienceRole.DeepCopy())
	create(t, client, "rbac.authorization.k8s.io", audienceBinding.DeepCopy())
	for _, d := range []struct{ driver, audience string }{
		{"inline.example.com", "inline-audience"}, {"volume.example.com", "volume-audience"}, {"file.csi.azure.com", "azure-audience"}, {"unused.example.com", "unused-audience"},
		{"cinder.csi.openstack.org", ""},
	} {
		create(t, client, "storage.k8s.io", &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: d.driver}, Spec: storagev1.CSIDriverSpec{
			TokenRequests: []storagev1.TokenRequest{{Audience: d.audience}},
		}})
	}
	// A pod with nothing but its account, and one whose claim is missing.
	for name, volumes := range map[string][]corev1.Volume{"plain": nil, "broken": podWith("", "", "", nil, []string{"missing"}).Spec.Volumes} {
		pod := podWith("blue", name, "a", nil, nil)
		pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
		pod.Spec.ServiceAccountName = "account-pod-a"
		pod.Spec.AutomountServiceAccountToken = ptr.To(false)
		pod.Spec.Volumes = volumes
		create(t, client, "", pod)
	}
}

func nodeWrites() []write {
	labelled := func(key string) func(*corev1.Node) {
		return func(n *corev1.Node) { n.Labels[key] = "x" }
	}
	newNode := func(name string, labels ...string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
		for _, l := range labels {
			labelled(l)(n)
		}
		return n
	}
	tainted := newNode("new")
	tainted.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}}
	configured := newNode("new")
	source := &corev1.NodeConfigSource{ConfigMap: &corev1.ConfigMapNodeConfigSource{Namespace: "x", Name: "x", KubeletConfigKey: "x"}}
	configured.Spec.ConfigSource = source //nolint:staticcheck // deprecated, but it can still be sent
	generated := newNode("")
	generated.GenerateName = "new"

	all := []write{
		{name: "register", kubelet: "new", resource: "nodes", object: newNode("new")},
		{name: "register with taints", kubelet: "new", resource: "nodes", object: tainted},
		{name: "register another", kubelet: "new", resource: "nodes", object: newNode("newer")},
		{name: "register under a generated name", kubelet: "new", resource: "nodes", object: generated},
		{name: "register with a config source", kubelet: "new", resource: "nodes", object: configured},
		{name: "delete itself", resource: "nodes", target: "a", delete: true, object: newNode("a")},
		{name: "delete another", resource: "nodes", target: "b", delete: true, object: newNode("b")},
		{name: "update nothing", resource: "nodes", target: "a", change: func(*corev1.Node) {}},
		{name: "update another", resource: "nodes", target: "b", change: func(*corev1.Node) {}},
		{name: "update the status of another", resource: "nodes", subresource: "status", target: "b", change: func(*corev1.Node) {}},
		{name: "update its status", resource: "nodes", subresource: "status", target: "a", change: func(n *corev1.Node) { n.Status.NodeInfo.KubeletVersion = "v1" }},
		{name: "add a taint", resource: "nodes", target: "a", change: func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "x", Effect: "NoSchedule"})
		}},
		{name: "remove the taints", resource: "nodes", target: "a", change: func(n *corev1.Node) { n.Spec.Taints = nil }},
		{name: "become unschedulable", resource: "nodes", target: "a", change: func(n *corev1.Node) { n.Spec.Unschedulable = true }},
		{name: "annotate", resource: "nodes", target: "a", change: func(n *corev1.Node) { n.Annotations = map[string]string{"kubernetes.io/x": "x"} }},
		{name: "set an owner", resource: "nodes", target: "a", change: func(n *corev1.Node) {
			n.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "b", UID: "x"}}
		}},
		{name: "set a config source", resource: "nodes", target: "a", change: func(n *corev1.Node) {
			n.Spec.ConfigSource = source //nolint:staticcheck // deprecated, but it can still be sent
		}},
		{name: "remove a label", resource: "nodes", target: "a", change: func(n *corev1.Node) { delete(n.Labels, "was") }},
		{name: "remove a label of Kubernetes", resource: "nodes", target: "a", change: func(n *corev1.Node) { delete(n.Labels, "kubernetes.io/was") }},
		{name: "change a label of Kubernetes", resource: "nodes", target: "a", change: labelled("kubernetes.io/was")},
		{name: "change a label of Kubernetes with the status", resource: "nodes", subresource: "status", target: "a", change: labelled("kubernetes.io/was")},
	}
	for _, label := range []string{
		"x", "example.com/x", "kubernetes.io/x", "k8s.io/x", "x.kubernetes.io/x", "x.k8s.io/x", "notkubernetes.io/x",
		"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type",
		"node.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "topology.kubernetes.io/x",
		"failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
		"kubelet.kubernetes.io/x", "x.kubelet.kubernetes.io/x", "node.kubernetes.io/x", "x.node.kubernetes.io/x", "notnode.kubernetes.io/x",
		"node-restriction.kubernetes.io/x", "x.node-restriction.kubernetes.io/x", "node-role.kubernetes.io/x",
	} {
		all = append(all,
			write{name: "register with the label " + label, kubelet: "new", resource: "nodes", object: newNode("new", label)},
			write{name: "set the label " + label, resource: "nodes", target: "a", change: labelled(label)},
		)
	}
	return all
}

func podWrites() []write {
	pod := &corev1.Pod{}
	eviction := func(name string) *policyv1.Eviction {
		return &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: "blue", Name: name}}
	}
	status := func(name, namespace, target string, change func(*corev1.Pod)) write {
		return write{name: name, resource: "pods", subresource: "status", namespace: namespace, target: target, change: change}
	}
	return []write{
		{name: "delete its pod", resource: "pods", namespace: "blue", target: "pod-a", delete: true, object: pod},
		{name: "delete its mirror pod", resource: "pods", namespace: "blue", target: "mirror", delete: true, object: pod},
		{name: "delete a pod of another", resource: "pods", namespace: "red", target: "pod-b", delete: true, object: pod},
		{name: "delete an unbound pod", resource: "pods", namespace: "blue", target: "unbound", delete: true, object: pod},
		{name: "delete a missing pod", resource: "pods", namespace: "blue", target: "missing", delete: true},
		{name: "update its pod", resource: "pods", namespace: "blue", target: "pod-a", change: func(*corev1.Pod) {}},
		{name: "evict its pod", resource: "pods", subresource: "eviction", namespace: "blue", target: "plain", object: eviction("plain")},
		{name: "evict an unbound pod", resource: "pods", subresource: "eviction", namespace: "blue", target: "unbound", object: eviction("unbound")},
		{name: "evict a missing pod", resource: "pods", subresource: "eviction", namespace: "blue", target: "missing", object: eviction("missing")},
		{name: "bind a pod", resource: "pods", subresource: "binding", namespace: "blue", target: "unbound", object: &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "blue", Name: "unbound"}, Target: corev1.ObjectReference{Kind: "Node", Name: "a"},
		}},
		status("phase", "blue", "pod-a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }),
		status("phase of a pod of another", "red", "pod-b", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }),
		status("phase of an unbound pod", "blue", "unbound", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }),
		status("annotation", "blue", "pod-a", func(p *corev1.Pod) { p.Annotations = map[string]string{"x": "x"} }),
		status("label", "blue", "pod-a", func(p *corev1.Pod) { p.Labels = map[string]string{"x": "x"} }),
		status("no label", "blue", "pod-a", func(p *corev1.Pod) { p.Labels = map[string]string{} }),
		status("claim", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ResourceClaimStatuses[0].ResourceClaimName = ptr.To("direct-pod-b") }),
		status("no claim name", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ResourceClaimStatuses[0].ResourceClaimName = nil }),
		status("no claims", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ResourceClaimStatuses = nil }),
		status("one more claim", "blue", "pod-a", func(p *corev1.Pod) {
			p.Status.ResourceClaimStatuses = append(p.Status.ResourceClaimStatuses, corev1.PodResourceClaimStatus{Name: "pending", ResourceClaimName: ptr.To("x")})
		}),
		status("extended claim", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ExtendedResourceClaimStatus.ResourceClaimName = "direct-pod-b" }),
		status("extended claim's mapping", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ExtendedResourceClaimStatus.RequestMappings[0].RequestName = "y" }),
		status("no extended claim", "blue", "pod-a", func(p *corev1.Pod) { p.Status.ExtendedResourceClaimStatus = nil }),
	}
}

func mirrorPodWrites(t *testing.T, client kubernetes.Interface) []write {
	t.Helper()
	node, err := client.CoreV1().Nodes().Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mirror := func(change func(*corev1.Pod)) *corev1.Pod {
		pod := podWith("blue", "new", "a", nil, nil)
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "a", UID: node.UID, Controller: ptr.To(true)}}
		pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
		change(pod)
		return pod
	}
	all := []write{{name: "for a missing node", kubelet: "ghost", object: mirror(func(p *corev1.Pod) { p.Spec.NodeName, p.OwnerReferences[0].Name = "ghost", "ghost" })}}
	for name, change := range map[string]func(*corev1.Pod){
		"good":             func(*corev1.Pod) {},
		"no mirror":        func(p *corev1.Pod) { p.Annotations = nil },
		"on another node":  func(p *corev1.Pod) { p.Spec.NodeName = "b" },
		"on no node":       func(p *corev1.Pod) { p.Spec.NodeName = "" },
		"without an owner": func(p *corev1.Pod) { p.OwnerReferences = nil },
		"with two owners": func(p *corev1.Pod) {
			p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: "x", UID: "x"})
		},
		"owned by another node":     func(p *corev1.Pod) { p.OwnerReferences[0].Name = "b" },
		"owned by a pod":            func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "Pod" },
		"owned by another version":  func(p *corev1.Pod) { p.OwnerReferences[0].APIVersion = "x/v1" },
		"owned by a former node":    func(p *corev1.Pod) { p.OwnerReferences[0].UID = "x" },
		"without a controller":      func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil },
		"not controlled":            func(p *corev1.Pod) { p.OwnerReferences[0].Controller = ptr.To(false) },
		"blocking":                  func(p *corev1.Pod) { p.OwnerReferences[0].BlockOwnerDeletion = ptr.To(true) },
		"not blocking":              func(p *corev1.Pod) { p.OwnerReferences[0].BlockOwnerDeletion = ptr.To(false) },
		"with an account":           func(p *corev1.Pod) { p.Spec.ServiceAccountName = "account-pod-a" },
		"with a deprecated account": func(p *corev1.Pod) { p.Spec.DeprecatedServiceAccount = "account-pod-a" },
		"with a pull secret":        func(p *corev1.Pod) { p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "x"}} },
		"with a resource claim": func(p *corev1.Pod) {
			p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "x", ResourceClaimName: ptr.To("x")}}
		},
		"with environment of all kinds":  func(p *corev1.Pod) { p.Spec.Containers = mentioningPod("blue", "x", "a").Spec.Containers },
		"with a config map for the init": func(p *corev1.Pod) { p.Spec.InitContainers = mentioningPod("blue", "x", "a").Spec.InitContainers },
		"with downward environment": func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
		},
	} {
		all = append(all, write{name: name, object: mirror(change)})
	}
	volumes := mentioningPod("blue", "x", "a").Spec.Volumes
	add := func(name string, source corev1.VolumeSource) {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: source})
	}
	add("nfs", corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "x", Path: "/x"}})
	add("image", corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "x"}})
	add("gluster", corev1.VolumeSource{Glusterfs: &corev1.GlusterfsVolumeSource{EndpointsName: "x", Path: "x"}})
	add("vsphere", corev1.VolumeSource{VsphereVolume: &corev1.VsphereVirtualDiskVolumeSource{VolumePath: "x"}})
	add("rbd-plain", corev1.VolumeSource{RBD: &corev1.RBDVolumeSource{CephMonitors: []string{"x"}, RBDImage: "x"}})
	add("csi-plain", corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "x"}})
	for name, p := range map[string]corev1.VolumeProjection{
		"downward": {DownwardAPI: &corev1.DownwardAPIProjection{}},
		"token":    {ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "x"}},
		"secret":   {Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}},
		"config":   {ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "x"}}},
	} {
		add("projected-"+name, corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{p}}})
	}
	add("projected-nothing", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}})
	for _, v := range volumes {
		all = append(all, write{name: "with the volume " + v.Name, object: mirror(func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{v} })})
	}
	for i := range all {
		all[i].resource, all[i].namespace = "pods", "blue"
	}
	return all
}

func tokenWrites(t *testing.T, client kubernetes.Interface) []write {
	t.Helper()
	uidOf := func(namespace, name string) types.UID {
		t.Helper()
		pod, err := client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return pod.UID
	}
	token := func(name, pod string, uid types.UID, audiences ...string) write {
		return write{name: name, resource: "serviceaccounts", subresource: "token", namespace: "blue", target: "account-pod-a", object: &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod, UID: uid}},
		}}
	}
	change := func(w write, f func(*authenticationv1.TokenRequestSpec)) write {
		f(&w.object.(*authenticationv1.TokenRequest).Spec)
		return w
	}
	ours, plain := uidOf("blue", "pod-a"), uidOf("blue", "plain")
	all := []write{
		token("for the API server", "pod-a", ours),
		token("for the API server, which nothing asks for", "plain", plain),
		token("for two audiences", "pod-a", ours, "projected-audience", "inline-audience"),
		token("of another life", "pod-a", "x"),
		token("of a missing pod", "missing", ours),
		token("of an unbound pod", "unbound", uidOf("blue", "unbound")),
		token("of a pod whose claim is missing", "broken", uidOf("blue", "broken")),
		change(token("not bound", "pod-a", ours), func(s *authenticationv1.TokenRequestSpec) { s.BoundObjectRef = nil }),
		change(token("bound to a secret", "pod-a", ours), func(s *authenticationv1.TokenRequestSpec) { s.BoundObjectRef.Kind = "Secret" }),
		change(token("bound to a node", "a", ours), func(s *authenticationv1.TokenRequestSpec) { s.BoundObjectRef.Kind = "Node" }),
		change(token("bound to another version", "pod-a", ours), func(s *authenticationv1.TokenRequestSpec) { s.BoundObjectRef.APIVersion = "v2" }),
		change(token("bound without a name", "", ours), func(*authenticationv1.TokenRequestSpec) {}),
		change(token("bound without a UID", "pod-a", ""), func(*authenticationv1.TokenRequestSpec) {}),
		{name: "of an account of another node", resource: "serviceaccounts", subresource: "token", namespace: "red", target: "account-pod-b", object: token("", "pod-b", uidOf("red", "pod-b")).object},
		{name: "of an account of nobody", resource: "serviceaccounts", subresource: "token", namespace: "blue", target: "missing", object: token("", "pod-a", ours).object},
		{name: "update of an account", resource: "serviceaccounts", namespace: "blue", target: "account-pod-a", change: func(*corev1.ServiceAccount) {}},
	}
	for _, audience := range []string{"projected-audience", "inline-audience", "volume-audience", "azure-audience", "granted-audience", "unused-audience", "no-audience", "https://x/y"} {
		all = append(all,
			token("for "+audience, "pod-a", ours, audience),
			token("of a plain pod for "+audience, "plain", plain, audience),
		)
	}
	return all
}

func claimWrites() []write {
	one := resource.MustParse("1Gi")
	var all []write
	add := func(name, namespace, target, subresource string, change func(*corev1.PersistentVolumeClaim)) {
		all = append(all, write{name: name, resource: "persistentvolumeclaims", subresource: subresource, namespace: namespace, target: target, change: change})
	}
	for name, change := range map[string]func(*corev1.PersistentVolumeClaim){
		"nothing": func(*corev1.PersistentVolumeClaim) {},
		"capacity": func(c *corev1.PersistentVolumeClaim) {
			c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: one}
		},
		"condition": func(c *corev1.PersistentVolumeClaim) {
			c.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: corev1.PersistentVolumeClaimResizing, Status: corev1.ConditionTrue}}
		},
		"allocated": func(c *corev1.PersistentVolumeClaim) {
			c.Status.AllocatedResources = corev1.ResourceList{corev1.ResourceStorage: one}
			c.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: corev1.PersistentVolumeClaimNodeResizePending}
		},
		"without a version": func(c *corev1.PersistentVolumeClaim) { c.ResourceVersion = "" },
		"phase":             func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost },
		"access modes": func(c *corev1.PersistentVolumeClaim) {
			c.Status.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		},
		"label":      func(c *corev1.PersistentVolumeClaim) { c.Labels = map[string]string{"x": "x"} },
		"annotation": func(c *corev1.PersistentVolumeClaim) { c.Annotations = map[string]string{"x": "x"} },
		"finalizer":  func(c *corev1.PersistentVolumeClaim) { c.Finalizers = append(c.Finalizers, "example.com/x") },
		"volume":     func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "x" },
	} {
		add(name, "blue", "claim-pod-a", "status", change)
		add(name+" of an ephemeral volume", "blue", "pod-a-ephemeral", "status", change)
		add(name+" of another", "red", "claim-pod-b", "status", change)
		add(name+" without the subresource", "blue", "claim-pod-a", "", change)
	}
	return all
}

// ownWrites are of objects that have their node's name.
func ownWrites() []write {
	lease := func(namespace, name string) *coordinationv1.Lease {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	csiNode := func(name string) *storagev1.CSINode {
		return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	renew := func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("x") }
	all := []write{
		{name: "create its lease", kubelet: "new", namespace: corev1.NamespaceNodeLease, object: lease(corev1.NamespaceNodeLease, "new")},
		{name: "create another's lease", kubelet: "new", namespace: corev1.NamespaceNodeLease, object: lease(corev1.NamespaceNodeLease, "newer")},
		{name: "create its lease elsewhere", kubelet: "new", namespace: "blue", object: lease("blue", "new")},
		{name: "renew its lease", namespace: corev1.NamespaceNodeLease, target: "a", change: renew},
		{name: "renew another's lease", namespace: corev1.NamespaceNodeLease, target: "b", change: renew},
		{name: "delete its lease", namespace: corev1.NamespaceNodeLease, target: "a", delete: true, object: lease("", "")},
		{name: "delete another's lease", namespace: corev1.NamespaceNodeLease, target: "b", delete: true, object: lease("", "")},
	}
	for i := range all {
		all[i].group, all[i].resource = "coordination.k8s.io", "leases"
	}
	csi := []write{
		{name: "create its CSINode", kubelet: "new", object: csiNode("new")},
		{name: "create another's CSINode", kubelet: "new", object: csiNode("newer")},
		{name: "update its CSINode", target: "a", change: func(n *storagev1.CSINode) { n.Labels = map[string]string{"x": "x"} }},
		{name: "update another's CSINode", target: "b", change: func(*storagev1.CSINode) {}},
		{name: "delete its CSINode", target: "a", delete: true, object: csiNode("")},
		{name: "delete another's CSINode", target: "b", delete: true, object: csiNode("")},
	}
	for i := range csi {
		csi[i].group, csi[i].resource = "storage.k8s.io", "csinodes"
	}
	return append(all, csi...)
}

func sliceWrites() []write {
	all := []write{
		{name: "create its slice", object: resourceSlice("new", ptr.To("a"))},
		{name: "create another's slice", object: resourceSlice("new", ptr.To("b"))},
		{name: "create a slice for all nodes", object: resourceSlice("new", nil)},
		{name: "delete its slice", target: "slice-pod-a", delete: true, object: resourceSlice("", nil)},
		{name: "delete another's slice", target: "slice-pod-b", delete: true, object: resourceSlice("", nil)},
		{name: "delete a slice of all nodes", target: "slice-all", delete: true, object: resourceSlice("", nil)},
	}
	for i := range all {
		all[i].group, all[i].resource = "resource.k8s.io", "resourceslices"
	}
	return all
}

func signingWrites(t *testing.T) []write {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := func(commonName string) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName, Organization: []string{"system:nodes"}}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	var all []write
	for _, signer := range []string{certificatesv1.KubeletServingSignerName, certificatesv1.KubeAPIServerClientKubeletSignerName, certificatesv1.KubeAPIServerClientSignerName, "example.com/x"} {
		for _, name := range []string{"system:node:a", "system:node:b", "system:node:", "a", ""} {
			all = append(all, write{
				name: signer + " for " + name, group: "certificates.k8s.io", resource: "certificatesigningrequests",
				object: &certificatesv1.CertificateSigningRequest{
					ObjectMeta: metav1.ObjectMeta{Name: "new"},
					Spec: certificatesv1.CertificateSigningRequestSpec{
						SignerName: signer, Request: request(name), Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature},
					},
				},
			})
		}
	}
	for what, garbage := range map[string][]byte{
		"garbage":          []byte("x"),
		"a certificate":    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		"a broken request": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")}),
	} {
		all = append(all, write{
			name: "kubelet serving with " + what, group: "certificates.k8s.io", resource: "certificatesigningrequests",
			object: &certificatesv1.CertificateSigningRequest{
				ObjectMeta: metav1.ObjectMeta{Name: "new"},
				Spec: certificatesv1.CertificateSigningRequestSpec{
					SignerName: certificatesv1.KubeletServingSignerName, Request: garbage, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature},
				},
			},
		})
	}
	return all
}
