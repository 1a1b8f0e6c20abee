// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// finishedPod is a mentioningPod as it is later.
func finishedPod() *corev1.Pod {
	pod := mentioningPod("blue", "p", "a")
	debug := corev1.LocalObjectReference{Name: "debug-p"}
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: debug}}, {ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: debug}}},
	}}}
	pod.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "template", ResourceClaimName: ptr.To("templated-p")}}
	pod.Status.ExtendedResourceClaimStatus = &corev1.PodExtendedResourceClaimStatus{ResourceClaimName: "extended-p"}
	return pod
}

func TestReferencesOf(t *testing.T) {
	want := map[kind][]string{
		secret:         {"azure", "ceph", "cinder", "csi", "debug", "flex", "init-all", "init-one", "iscsi", "main-all", "main-one", "projected", "pull", "rbd", "scaleio", "secret", "storageos"},
		configMap:      {"config", "debug", "init-all", "init-one", "main-all", "main-one", "projected"},
		serviceAccount: {"account"}, volumeClaim: {"claim", "p-ephemeral"}, resourceClaim: {"direct", "extended", "templated"},
	}
	got := map[kind][]string{}
	for _, o := range referencesOf(finishedPod()) {
		name := o.name
		if name != "p-ephemeral" {
			name = name[:len(name)-len("-p")]
		}
		got[o.kind] = append(got[o.kind], name)
		if o.namespace != "blue" {
			t.Errorf("%v is in another namespace", o)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReferencesOfAMirrorPod(t *testing.T) {
	pod := finishedPod()
	pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	if got := referencesOf(pod); len(got) > 0 {
		t.Errorf("got %v, want nothing: the kubelet made the pod", got)
	}
}

func TestStripPodKeepsWhatCounts(t *testing.T) {
	for _, mirror := range []bool{false, true} {
		pod := finishedPod()
		pod.UID, pod.ResourceVersion = "1", "2"
		pod.Annotations = map[string]string{"other": "x"}
		if mirror {
			pod.Annotations[corev1.MirrorPodAnnotationKey] = "x"
		}
		pod.Labels = map[string]string{"a": "b"}
		pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}}
		pod.Status.Phase = corev1.PodRunning
		before := pod.DeepCopy()
		result, err := StripPod(pod)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(pod, before) {
			t.Error("The pod itself was changed")
		}
		stripped := result.(*corev1.Pod)
		if got, want := referencesOf(stripped), referencesOf(pod); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if stripped.Name != "p" || stripped.Namespace != "blue" || stripped.UID != "1" || stripped.ResourceVersion != "2" || stripped.Spec.NodeName != "a" {
			t.Errorf("got %+v, want the same identity and node", stripped)
		}
		if !slices.ContainsFunc(stripped.Spec.Volumes, func(v corev1.Volume) bool { return projectsToken(&v, "projected-audience") }) {
			t.Error("The projected token is gone")
		}
		if stripped.Labels != nil || stripped.ManagedFields != nil || stripped.Status.Phase != "" || len(stripped.Annotations) > 1 || len(stripped.Spec.Containers) > 1 {
			t.Errorf("got %+v, want less", stripped)
		}
		again, err := StripPod(stripped)
		if err != nil || !reflect.DeepEqual(again, stripped) {
			t.Errorf("Stripped again it is %+v, %v", again, err)
		}
	}
}

func TestStripPodLetsOtherObjectsPass(t *testing.T) {
	node := &corev1.Node{}
	if got, err := StripPod(node); err != nil || got != any(node) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestVolumeSecrets(t *testing.T) {
	ref := &corev1.SecretReference{Name: "s"}
	elsewhere := &corev1.SecretReference{Name: "s", Namespace: "red"}
	for _, c := range []struct {
		name, reason string
		source       corev1.PersistentVolumeSource
		want         []object
	}{
		{"none", "", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{}}, nil},
		{"azure", "the claim's namespace", corev1.PersistentVolumeSource{AzureFile: &corev1.AzureFilePersistentVolumeSource{SecretName: "s"}}, []object{{secret, "blue", "s"}}},
		{
			"azure elsewhere", "its own namespace",
			corev1.PersistentVolumeSource{AzureFile: &corev1.AzureFilePersistentVolumeSource{SecretName: "s", SecretNamespace: ptr.To("red")}}, []object{{secret, "red", "s"}},
		},
		{"ceph", "the claim's namespace", corev1.PersistentVolumeSource{CephFS: &corev1.CephFSPersistentVolumeSource{SecretRef: ref}}, []object{{secret, "blue", "s"}}},
		{"rbd elsewhere", "its own namespace", corev1.PersistentVolumeSource{RBD: &corev1.RBDPersistentVolumeSource{SecretRef: elsewhere}}, []object{{secret, "red", "s"}}},
		{"flex", "the claim's namespace", corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{SecretRef: ref}}, []object{{secret, "blue", "s"}}},
		{"scaleio", "the claim's namespace", corev1.PersistentVolumeSource{ScaleIO: &corev1.ScaleIOPersistentVolumeSource{SecretRef: ref}}, []object{{secret, "blue", "s"}}},
		{"iscsi", "the claim's namespace", corev1.PersistentVolumeSource{ISCSI: &corev1.ISCSIPersistentVolumeSource{SecretRef: ref}}, []object{{secret, "blue", "s"}}},
		{"cinder", "only its own namespace", corev1.PersistentVolumeSource{Cinder: &corev1.CinderPersistentVolumeSource{SecretRef: elsewhere}}, []object{{secret, "red", "s"}}},
		{
			"storageos", "only its own namespace", corev1.PersistentVolumeSource{StorageOS: &corev1.StorageOSPersistentVolumeSource{
				SecretRef: &corev1.ObjectReference{Namespace: "red", Name: "s"},
			}}, []object{{secret, "red", "s"}},
		},
		{
			"csi", "not the controller's", corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				NodePublishSecretRef: elsewhere, NodeStageSecretRef: elsewhere, ControllerPublishSecretRef: &corev1.SecretReference{Namespace: "red", Name: "t"},
				ControllerExpandSecretRef: &corev1.SecretReference{Namespace: "red", Name: "u"},
			}}, []object{{secret, "red", "s"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := volumeSecrets(persistentVolume("v", "blue", "c", c.source)); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.reason, got, c.want)
			}
		})
	}
}
