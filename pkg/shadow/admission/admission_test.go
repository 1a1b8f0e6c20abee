// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// What the plugins do when all is well, the tests of package builtin compare with a
// kube-apiserver. These are about what cannot be had there.

func TestNothingIsAdmittedWithoutLooking(t *testing.T) {
	broken := errors.New("the storage does not answer")
	class := "c"
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c"}}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: quantity("2Gi")}
	claim.Spec.StorageClassName = &class
	smaller := claim.DeepCopy()
	smaller.Spec.Resources.Requests[corev1.ResourceStorage] = quantity("1Gi")
	smaller.Status.Phase = corev1.ClaimBound
	resized := newPod()
	resized.Spec.NodeName, resized.Generation = "n", 2
	was := resized.DeepCopy()
	was.Generation = 1
	for _, c := range []struct {
		name        string
		resource    string
		subresource string
		obj, old    runtime.Object
	}{
		{name: "a pod", resource: "pods", obj: newPod()},
		{name: "a claim", resource: "persistentvolumeclaims", obj: &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns"}}},
		{name: "a claim that grows", resource: "persistentvolumeclaims", obj: claim, old: smaller},
		{name: "a resize", resource: "pods", subresource: "resize", obj: resized, old: was},
		{name: "a binding", resource: "pods", subresource: "binding", obj: &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "n"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := admit(t, chain(t, nil, broken), corev1.SchemeGroupVersion.WithResource(c.resource), c.subresource, c.obj, c.old)
			if err == nil {
				t.Error("admitted although nothing could be read")
			}
		})
	}
}

// A pool may not have been told of these classes, and what a node cannot do without
// uses them.
func TestSystemClassesAreAlwaysKnown(t *testing.T) {
	for name, want := range map[string]int32{"system-node-critical": 2000001000, "system-cluster-critical": 2000000000} {
		pod := newPod()
		pod.Spec.PriorityClassName = name
		if err := admit(t, chain(t, nil, nil, around()...), podResource, "", pod, nil); err != nil {
			t.Fatal(err)
		}
		if pod.Spec.Priority == nil || *pod.Spec.Priority != want {
			t.Errorf("the priority of %s is %v", name, pod.Spec.Priority)
		}
	}
	pod := newPod()
	pod.Spec.PriorityClassName = "system-other"
	if err := admit(t, chain(t, nil, nil, around()...), podResource, "", pod, nil); !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

func TestLeastOfSeveralDefaultClassesCounts(t *testing.T) {
	class := func(name string, value int32) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value, GlobalDefault: true}
	}
	pod := newPod()
	if err := admit(t, chain(t, nil, nil, around(class("a", 5), class("b", -5), class("c", 7))...), podResource, "", pod, nil); err != nil {
		t.Fatal(err)
	}
	if pod.Spec.PriorityClassName != "b" || *pod.Spec.Priority != -5 {
		t.Errorf("got class %s, priority %d", pod.Spec.PriorityClassName, *pod.Spec.Priority)
	}
}

// What is read belongs to the cache.
func TestWhatIsReadIsNotChanged(t *testing.T) {
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "l"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{corev1.ResourceCPU: quantity("1")},
	}}}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "default"}, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "a"}}}
	objects := []runtime.Object{limits, account, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}}
	var were []runtime.Object
	for _, o := range objects {
		were = append(were, o.DeepCopyObject())
	}
	pod := newPod()
	if err := admit(t, chain(t, nil, nil, objects...), podResource, "", pod, nil); err != nil {
		t.Fatal(err)
	}
	pod.Spec.ImagePullSecrets[0].Name = "changed"
	pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = quantity("1Gi")
	if diff := cmp.Diff(were, objects); diff != "" {
		t.Error(diff)
	}
}

// signer lets one user do one thing for one signer.
type signer struct{ verb, name string }

func (s signer) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetVerb() == s.verb && a.GetName() == s.name && a.GetResource() == "signers" && a.GetAPIGroup() == "certificates.k8s.io" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func TestOnlyWhoMayForASignerDecidesAndSigns(t *testing.T) {
	resource := certificatesv1.SchemeGroupVersion.WithResource("certificatesigningrequests")
	old := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{SignerName: "example.com/a"}}
	decided := old.DeepCopy()
	decided.Spec.SignerName = "example.com/mine" // nobody has refused that yet
	decided.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateApproved}}
	signed := old.DeepCopy()
	signed.Status.Certificate = []byte("x")
	for _, c := range []struct {
		name        string
		may         signer
		subresource string
		obj         *certificatesv1.CertificateSigningRequest
		refused     bool
	}{
		{"may approve for it", signer{"approve", "example.com/a"}, "approval", decided, false},
		{"may approve for its domain", signer{"approve", "example.com/*"}, "approval", decided, false},
		{"may approve for another", signer{"approve", "example.com/mine"}, "approval", decided, true},
		{"may sign only", signer{"sign", "example.com/a"}, "approval", decided, true},
		{"may sign for it", signer{"sign", "example.com/a"}, "status", signed, false},
		{"may approve only, and signs", signer{"approve", "example.com/a"}, "status", signed, true},
		{"may nothing and changes nothing", signer{}, "status", old.DeepCopy(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := admit(t, chain(t, c.may, nil), resource, c.subresource, c.obj, old)
			if apierrors.IsForbidden(err) != c.refused || err != nil && !c.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTolerationsAreMerged(t *testing.T) {
	seconds := func(n int64) *int64 { return &n }
	exists := corev1.Toleration{Key: "k", Operator: corev1.TolerationOpExists}
	equal := corev1.Toleration{Key: "k", Operator: corev1.TolerationOpEqual, Value: "v"}
	for _, c := range []struct {
		name       string
		pod, class []corev1.Toleration
		want       []corev1.Toleration
	}{
		{"the same", []corev1.Toleration{equal}, []corev1.Toleration{equal}, []corev1.Toleration{equal}},
		{"a wider one of the class", []corev1.Toleration{equal}, []corev1.Toleration{exists}, []corev1.Toleration{exists}},
		{"a wider one of the pod", []corev1.Toleration{exists}, []corev1.Toleration{equal}, []corev1.Toleration{exists}},
		{"another value", []corev1.Toleration{equal}, []corev1.Toleration{{Key: "k", Value: "w"}}, []corev1.Toleration{equal, {Key: "k", Value: "w"}}},
		{"for a longer time", []corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: seconds(5)}},
			[]corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: seconds(9)}},
			[]corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: seconds(9)}}},
		{"for ever", []corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute"}},
			[]corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: seconds(9)}},
			[]corev1.Toleration{{Key: "k", Operator: "Exists", Effect: "NoExecute"}}},
		{"an operator that is not known", []corev1.Toleration{{Key: "k", Operator: "Gt", Value: "5"}}, []corev1.Toleration{equal},
			[]corev1.Toleration{{Key: "k", Operator: "Gt", Value: "5"}, equal}},
		{"all there are", []corev1.Toleration{equal}, []corev1.Toleration{{Operator: "Exists"}}, []corev1.Toleration{{Operator: "Exists"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, mergeTolerations(c.pod, c.class)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
