// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// size is how much there is of each kind.
type size struct {
	namespaces, nodes, pods, slices, leases int
	// used is how many ConfigMaps, and how many Secrets, the pods of each node use.
	used int
}

var (
	// large is more than a pool has ever had: it is what the alternative is known
	// to bear.
	large = size{namespaces: 50, nodes: 1000, pods: 5000, slices: 2000, leases: 1000}
	// edge is a pool as they are.
	edge = size{namespaces: 5, nodes: 20, pods: 200, slices: 300, leases: 20, used: 10}
)

const (
	leaseNamespace = "kube-node-lease"

	// podsPerApp is how many pods a label selects.
	podsPerApp       = 50
	endpointsOfSlice = 10
	imagesOnNode     = 20
)

func nodeName(i int) string    { return fmt.Sprintf("edge-node-%04d", i) }
func podName(i int) string     { return fmt.Sprintf("app-%03d-7d9c5b8f6d-%05d", i/podsPerApp, i) }
func (s size) ns(i int) string { return fmt.Sprintf("tenant-%02d", i%s.namespaces) }

// nodeOf is where a pod runs. Pods of one node are of one namespace.
func (s size) nodeOf(pod int) int  { return pod % s.nodes }
func (s size) nsOf(pod int) string { return s.ns(s.nodeOf(pod)) }

// newNode is a node as its kubelet reports it.
func newNode(i int) *corev1.Node {
	now := metav1.Now()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName(i),
			Labels: map[string]string{
				"beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
				corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux", corev1.LabelHostname: nodeName(i),
				corev1.LabelTopologyZone: fmt.Sprint("zone-", i%10), "apps.openyurt.io/nodepool": "hangzhou", "openyurt.io/is-edge-worker": "true",
			},
			Annotations: map[string]string{
				"node.alpha.kubernetes.io/ttl":                           "0",
				"volumes.kubernetes.io/controller-managed-attach-detach": "true",
			},
		},
		Spec: corev1.NodeSpec{PodCIDR: fmt.Sprintf("10.%d.%d.0/24", 64+i/250, i%250), PodCIDRs: []string{fmt.Sprintf("10.%d.%d.0/24", 64+i/250, i%250)}},
		Status: corev1.NodeStatus{
			Capacity: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8064512Ki"),
				corev1.ResourceEphemeralStorage: resource.MustParse("61255492Ki"), corev1.ResourcePods: resource.MustParse("110"),
			},
			Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("3800m"), corev1.ResourceMemory: resource.MustParse("7552512Ki"),
				corev1.ResourceEphemeralStorage: resource.MustParse("56453061334"), corev1.ResourcePods: resource.MustParse("110"),
			},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.%d.%d", i/250, i%250+1)},
				{Type: corev1.NodeHostName, Address: nodeName(i)},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10250}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: fmt.Sprintf("%032x", i), SystemUUID: fmt.Sprintf("4c4c4544-0000-1000-8000-%012x", i), BootID: fmt.Sprintf("0d4f8f2e-0000-4000-8000-%012x", i),
				KernelVersion: "6.1.0-56-amd64", OSImage: "Debian GNU/Linux 12 (bookworm)", ContainerRuntimeVersion: "containerd://2.4.2",
				KubeletVersion: "v1.36.3", OperatingSystem: "linux", Architecture: "amd64",
			},
			Conditions: nodeConditions(now),
		},
	}
	for k := range imagesOnNode {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{
				fmt.Sprintf("registry.example.com/team-%d/app-%03d@sha256:%064x", k%4, k, i*imagesOnNode+k),
				fmt.Sprintf("registry.example.com/team-%d/app-%03d:v1.%d.0", k%4, k, k),
			},
			SizeBytes: int64(40+k) << 20,
		})
	}
	return node
}

func nodeConditions(now metav1.Time) []corev1.NodeCondition {
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
		condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
	}
}

// newPod is a pod of a Deployment that runs on a node. It says what a server would
// fill in, so that both sides store the same.
func (s size) newPod(i int) *corev1.Pod {
	app := fmt.Sprintf("app-%03d", i/podsPerApp)
	probe := &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP}},
		PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3,
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: podName(i), Namespace: s.nsOf(i),
			Labels:      map[string]string{"app": app, "pod-template-hash": "7d9c5b8f6d"},
			Annotations: map[string]string{"checksum/config": fmt.Sprintf("%064x", i)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-7d9c5b8f6d", UID: "6f1f3c1e-0000-4000-8000-000000000001",
				Controller: new(true), BlockOwnerDeletion: new(true),
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(s.nodeOf(i)),
			Containers: []corev1.Container{{
				Name: "app", Image: "registry.example.com/team-1/" + app + ":v1.4.2", ImagePullPolicy: corev1.PullIfNotPresent,
				Args:  []string{"--config=/etc/app/config.yaml"},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
				Env:   []corev1.EnvVar{{Name: "DATABASE_URL", Value: "postgres://db.shop.svc.cluster.local:5432/shop"}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
					Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
				},
				ReadinessProbe:         probe,
				VolumeMounts:           []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/app"}},
				TerminationMessagePath: corev1.TerminationMessagePathDefault, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			}},
			Volumes:       []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, TerminationGracePeriodSeconds: new(int64(30)),
			ServiceAccountName: "default", DeprecatedServiceAccount: "default", AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{}, SchedulerName: corev1.DefaultSchedulerName, EnableServiceLinks: new(true),
			Priority: new(int32(0)), PreemptionPolicy: new(corev1.PreemptLowerPriority),
			Tolerations: []corev1.Toleration{
				{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
				{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
			},
		},
	}
	if s.used > 0 {
		use := usedName(s.nodeOf(i), (i/s.nodes)%s.used)
		pod.Spec.Volumes = append(pod.Spec.Volumes,
			corev1.Volume{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: use}, DefaultMode: new(int32(0o644))}}},
			corev1.Volume{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: use, DefaultMode: new(int32(0o644))}}})
	}
	return pod
}

// usedName names a ConfigMap, and a Secret, that pods of a node use.
func usedName(node, i int) string { return fmt.Sprintf("used-%03d-%02d", node, i) }

// runs is the status of a pod as its kubelet reports it.
func runs(pod *corev1.Pod, i int) {
	now := metav1.Now()
	ip := fmt.Sprintf("10.%d.%d.%d", 64+i/50000, i/200%250, i%200+2)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "192.168.0.1", HostIPs: []corev1.HostIP{{IP: "192.168.0.1"}},
		PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, StartTime: &now, QOSClass: corev1.PodQOSBurstable,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, Started: new(true), Image: pod.Spec.Containers[0].Image,
			ImageID:     fmt.Sprintf("registry.example.com/app@sha256:%064x", i/podsPerApp),
			ContainerID: fmt.Sprintf("containerd://%064x", i),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}},
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
}

func (s size) newSlice(i int) *discoveryv1.EndpointSlice {
	service := fmt.Sprintf("service-%04d", i)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: service + "-x7k2p", Namespace: s.ns(i),
			Labels: map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(8080))}},
	}
	for k := range endpointsOfSlice {
		pod := (i*endpointsOfSlice + k) % s.pods
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("10.%d.%d.%d", 64+pod/50000, pod/200%250, pod%200+2)},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
			NodeName:   new(nodeName(s.nodeOf(pod))), Zone: new("zone-1"),
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: s.nsOf(pod), Name: podName(pod), UID: "6f1f3c1e-0000-4000-8000-000000000002"},
		})
	}
	return slice
}

func newLease(i int) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName(i), Namespace: leaseNamespace,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: nodeName(i), UID: "6f1f3c1e-0000-4000-8000-000000000003"}},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: new(nodeName(i)), LeaseDurationSeconds: new(int32(40)), RenewTime: new(metav1.NowMicro())},
	}
}

// renew changes a lease as its kubelet does.
func renew(lease *coordinationv1.Lease) {
	lease.Spec.RenewTime = new(metav1.NewMicroTime(time.Now()))
}
