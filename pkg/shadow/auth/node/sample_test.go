// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// A pod that mentions something in every way there is. The names of what it
// mentions end in its own, so that each is mentioned once.
func mentioningPod(namespace, name, node string) *corev1.Pod {
	n := func(s string) string { return s + "-" + name }
	local := func(s string) *corev1.LocalObjectReference { return &corev1.LocalObjectReference{Name: n(s)} }
	envFrom := func(s string) []corev1.EnvFromSource {
		return []corev1.EnvFromSource{
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: *local(s)}},
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: *local(s)}},
		}
	}
	env := func(s string) []corev1.EnvVar {
		return []corev1.EnvVar{
			{Name: "PLAIN", Value: "x"},
			{Name: "FIELD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
			{Name: "SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: *local(s), Key: "k"}}},
			{Name: "CONFIG", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: *local(s), Key: "k"}}},
		}
	}
	device := corev1.ResourceList{"example.com/x": resource.MustParse("1")}
	extended := corev1.ResourceRequirements{Requests: device, Limits: device}
	claimTemplate := &corev1.PersistentVolumeClaimTemplate{Spec: claimSpec("")}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			NodeName: node, ServiceAccountName: n("account"),
			ImagePullSecrets: []corev1.LocalObjectReference{*local("pull")},
			InitContainers:   []corev1.Container{{Name: "init", Image: "x", EnvFrom: envFrom("init-all"), Env: env("init-one")}},
			Containers:       []corev1.Container{{Name: "main", Image: "x", EnvFrom: envFrom("main-all"), Env: env("main-one"), Resources: extended}},
			ResourceClaims: []corev1.PodResourceClaim{
				{Name: "direct", ResourceClaimName: ptr.To(n("direct"))},
				{Name: "template", ResourceClaimTemplateName: ptr.To("template")},
				{Name: "pending", ResourceClaimTemplateName: ptr.To("template")},
			},
		},
	}
	for volume, source := range map[string]corev1.VolumeSource{
		"empty":     {EmptyDir: &corev1.EmptyDirVolumeSource{}},
		"host":      {HostPath: &corev1.HostPathVolumeSource{Path: "/x"}},
		"down":      {DownwardAPI: &corev1.DownwardAPIVolumeSource{}},
		"secret":    {Secret: &corev1.SecretVolumeSource{SecretName: n("secret")}},
		"config":    {ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: *local("config")}},
		"azure":     {AzureFile: &corev1.AzureFileVolumeSource{SecretName: n("azure"), ShareName: "x"}},
		"ceph":      {CephFS: &corev1.CephFSVolumeSource{SecretRef: local("ceph"), Monitors: []string{"x"}}},
		"cinder":    {Cinder: &corev1.CinderVolumeSource{SecretRef: local("cinder"), VolumeID: "x"}},
		"flex":      {FlexVolume: &corev1.FlexVolumeSource{SecretRef: local("flex"), Driver: "a/b"}},
		"rbd":       {RBD: &corev1.RBDVolumeSource{SecretRef: local("rbd"), CephMonitors: []string{"x"}, RBDImage: "x"}},
		"scaleio":   {ScaleIO: &corev1.ScaleIOVolumeSource{SecretRef: local("scaleio"), Gateway: "x", System: "x", VolumeName: "x"}},
		"storageos": {StorageOS: &corev1.StorageOSVolumeSource{SecretRef: local("storageos"), VolumeName: "x"}},
		"iscsi":     {ISCSI: &corev1.ISCSIVolumeSource{SecretRef: local("iscsi"), TargetPortal: "1.2.3.4", IQN: "iqn.2001-04.com.example:x"}},
		"csi":       {CSI: &corev1.CSIVolumeSource{NodePublishSecretRef: local("csi"), Driver: "inline.example.com"}},
		"claim":     {PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: n("claim")}},
		"ephemeral": {Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: claimTemplate}},
		"projected": {Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{Secret: &corev1.SecretProjection{LocalObjectReference: *local("projected")}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: *local("projected")}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "t", Audience: "projected-audience"}},
		}}},
	} {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: volume, VolumeSource: source})
	}
	return pod
}

// mentionedKinds are the beginnings of the names of what a mentioningPod mentions,
// and of what the volume of its claim does.
var mentionedKinds = []string{
	"pull", "init-all", "init-one", "main-all", "main-one", "debug", "secret", "config", "azure", "ceph", "cinder", "flex", "rbd", "scaleio", "storageos",
	"iscsi", "csi", "projected", "volume-publish", "volume-stage", "volume-expand", "volume-controller", "volume-azure", "volume-ceph", "unmentioned",
}

func claimSpec(volume string) corev1.PersistentVolumeClaimSpec {
	return corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeName: volume,
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}
}

func persistentVolume(name, namespace, claim string, source corev1.PersistentVolumeSource) *corev1.PersistentVolume {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, PersistentVolumeSource: source,
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		},
	}
	if claim != "" {
		volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: claim}
	}
	return volume
}

// createSample fills the real server: the nodes a and b, on each a mentioning pod
// (in the namespaces blue and red), and what else the tests ask about.
func createSample(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		create(t, client, "", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"was": "here", "kubernetes.io/was": "here"}}})
	}
	for _, name := range []string{"blue", "red"} {
		create(t, client, "", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	createPod := func(pod *corev1.Pod) {
		t.Helper()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: "default"}}
		if pod.Spec.ServiceAccountName != "" {
			account.Name = pod.Spec.ServiceAccountName
		}
		create(t, client, "", account)
		create(t, client, "", pod)
	}
	for _, p := range []struct{ namespace, name, node string }{{"blue", "pod-a", "a"}, {"red", "pod-b", "b"}} {
		for _, claim := range []string{"claim", "ephemeral"} {
			name := claim + "-" + p.name
			if claim == "ephemeral" {
				name = p.name + "-" + claim
			}
			create(t, client, "", &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}, Spec: claimSpec(name)})
		}
		pod := mentioningPod(p.namespace, p.name, p.node)
		createPod(pod)
		finishPod(t, client, pod)
		createVolumes(t, client, pod)
		create(t, client, "storage.k8s.io", &storagev1.VolumeAttachment{
			ObjectMeta: metav1.ObjectMeta{Name: "attachment-" + p.name},
			Spec:       storagev1.VolumeAttachmentSpec{NodeName: p.node, Attacher: "x", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr.To("x")}},
		})
		create(t, client, "resource.k8s.io", resourceSlice("slice-"+p.name, &p.node))
	}
	create(t, client, "resource.k8s.io", resourceSlice("slice-all", nil))
	unbound := podWith("blue", "unbound", "", []string{"secret-unbound"}, nil)
	mirror := podWith("blue", "mirror", "a", nil, nil)
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	mirror.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "a", UID: "x", Controller: ptr.To(true)}}
	mirror.Spec.Volumes = []corev1.Volume{{Name: "c", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config-mirror"}},
	}}}
	for _, pod := range []*corev1.Pod{unbound, mirror} {
		pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
		createPod(pod)
	}
}

// finishPod does what a debugger, the claim controller and the scheduler do later.
func finishPod(t *testing.T, client kubernetes.Interface, sample *corev1.Pod) {
	t.Helper()
	api := client.CoreV1().Pods(sample.Namespace)
	pod, err := api.Get(t.Context(), sample.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pod.Spec.EphemeralContainers == nil {
		debug := corev1.LocalObjectReference{Name: "debug-" + pod.Name}
		pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debug", Image: "x",
			EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: debug}}, {ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: debug}}},
		}}}
		if pod, err = api.UpdateEphemeralContainers(t.Context(), pod.Name, pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pod.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "template", ResourceClaimName: ptr.To("templated-" + pod.Name)}}
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{
		ResourceClaimName: "extended-" + pod.Name,
		RequestMappings:   []corev1.ContainerExtendedResourceRequest{{ContainerName: "main", ResourceName: "example.com/x", RequestName: "x"}},
	}
	if _, err = api.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// createVolumes creates volumes for the claims of a mentioningPod, and for none.
func createVolumes(t *testing.T, client kubernetes.Interface, pod *corev1.Pod) {
	t.Helper()
	ref := func(s string) *corev1.SecretReference {
		return &corev1.SecretReference{Namespace: pod.Namespace, Name: s + "-" + pod.Name}
	}
	for _, volume := range []*corev1.PersistentVolume{
		persistentVolume("claim-"+pod.Name, pod.Namespace, "claim-"+pod.Name, corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
			Driver: "volume.example.com", VolumeHandle: "x",
			NodePublishSecretRef: ref("volume-publish"), NodeStageSecretRef: ref("volume-stage"), NodeExpandSecretRef: ref("volume-expand"),
			ControllerPublishSecretRef: ref("volume-controller"),
		}}),
		persistentVolume(pod.Name+"-ephemeral", pod.Namespace, pod.Name+"-ephemeral", corev1.PersistentVolumeSource{AzureFile: &corev1.AzureFilePersistentVolumeSource{
			SecretName: "volume-azure-" + pod.Name, ShareName: "x",
		}}),
		persistentVolume("again-"+pod.Name, pod.Namespace, "claim-"+pod.Name, corev1.PersistentVolumeSource{CephFS: &corev1.CephFSPersistentVolumeSource{
			Monitors: []string{"x"}, SecretRef: &corev1.SecretReference{Name: "volume-ceph-" + pod.Name},
		}}),
		persistentVolume("free-"+pod.Name, "", "", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}),
	} {
		create(t, client, "", volume)
	}
}

func resourceSlice(name string, node *string) *resourcev1.ResourceSlice {
	slice := &resourcev1.ResourceSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: resourcev1.ResourceSliceSpec{
			Driver: "dra.example.com", NodeName: node, Pool: resourcev1.ResourcePool{Name: name, ResourceSliceCount: 1},
		},
	}
	if node == nil {
		slice.Spec.AllNodes = ptr.To(true)
	}
	return slice
}
