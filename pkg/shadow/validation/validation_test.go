// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// undefaulted is what a client sends. One that reached a kubelet would crash it.
func undefaulted() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "a", Image: "a", Ports: []corev1.ContainerPort{{ContainerPort: 80}},
			LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"a"}}}},
		}}},
	}
}

func TestWhatHasNoDefaultsIsRefused(t *testing.T) {
	errs := Create(undefaulted())
	for _, path := range []string{
		"spec.restartPolicy", "spec.dnsPolicy", "spec.terminationGracePeriodSeconds", "spec.containers[0].imagePullPolicy",
		"spec.containers[0].terminationMessagePolicy", "spec.containers[0].ports[0].protocol", "spec.containers[0].livenessProbe.periodSeconds",
		"spec.containers[0].livenessProbe.timeoutSeconds",
	} {
		if !names(errs, path) {
			t.Errorf("Nothing about %s in %v", path, errs.ToAggregate())
		}
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
	for _, path := range []string{"spec.type", "spec.sessionAffinity", "spec.ports[0].protocol", "spec.ports[0].targetPort"} {
		if errs := Create(service); !names(errs, path) {
			t.Errorf("Nothing about %s in %v", path, errs.ToAggregate())
		}
	}
}

func TestOldProblemsDoNotStopChanges(t *testing.T) {
	old := undefaulted()
	old.Spec.DNSPolicy = "FromTheFuture"
	pod := old.DeepCopy()
	pod.Labels = map[string]string{"a": "b"}
	if errs := Update(pod, old); len(errs) > 0 {
		t.Errorf("A label is refused: %v", errs.ToAggregate())
	}
	pod.Spec.Containers[0].Image = " "
	if errs := Update(pod, old); len(errs) != 1 || errs[0].Field != "spec.containers[0].image" {
		t.Errorf("Not just the image is refused: %v", errs.ToAggregate())
	}
	pod.Spec.DNSPolicy = "FromElsewhere"
	if errs := Update(pod, old); !names(errs, "spec.dnsPolicy") {
		t.Errorf("Another bad value passes: %v", errs.ToAggregate())
	}
}

func TestManyOldProblemsHideNoNewOnes(t *testing.T) {
	old := undefaulted()
	old.Spec.Tolerations = make([]corev1.Toleration, 2*maxCompared)
	pod := old.DeepCopy()
	pod.Spec.Volumes = []corev1.Volume{{Name: "a", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/a/../etc"}}}}
	if errs := Update(pod, old); len(errs) == 0 {
		t.Error("It is accepted")
	}
}

func TestKindsWithoutEntryGetTheRulesForTheirTypes(t *testing.T) {
	if errs := Create(&flowcontrolv1.FlowSchema{}); len(errs) > 0 {
		t.Errorf("One is refused: %v", errs.ToAggregate())
	}
	list := &corev1.PodTemplateList{Items: []corev1.PodTemplate{{Template: corev1.PodTemplateSpec{Spec: undefaulted().Spec}}}}
	if errs := Create(list); !names(errs, "items[0].template.spec.dnsPolicy") {
		t.Errorf("Nothing about what is inside: %v", errs.ToAggregate())
	}
}

func TestStatusesAreNotJudgedByTheirSpecification(t *testing.T) {
	old := undefaulted()
	pod := old.DeepCopy()
	pod.Status.Phase = "FromTheFuture"
	if errs := UpdateStatus(pod, old); len(errs) > 0 {
		t.Errorf("It is refused: %v", errs.ToAggregate())
	}
}

func TestWhatIsSentToSubresources(t *testing.T) {
	for _, test := range []struct {
		obj   runtime.Object
		field string
	}{
		{&corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "a"}}, ""},
		{&corev1.Binding{Target: corev1.ObjectReference{Kind: "Node"}}, "target.name"},
		{&corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "../a"}}, "target.name"},
		{&corev1.Binding{Target: corev1.ObjectReference{Kind: "Minion", Name: "a"}}, "target.kind"},
		{&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}, ""},
		{&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: -1}}, "spec.replicas"},
		{&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}, ""},
		{&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](1)}}, "spec.expirationSeconds"},
		{&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](1 << 40)}}, "spec.expirationSeconds"},
	} {
		errs := Create(test.obj)
		if test.field == "" && len(errs) > 0 || test.field != "" && !names(errs, test.field) {
			t.Errorf("%T, field %q: %v", test.obj, test.field, errs.ToAggregate())
		}
	}
}
