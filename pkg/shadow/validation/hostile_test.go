// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"
)

// allTypes are the types of all objects that Kubernetes has, one of each.
func allTypes(t *testing.T) []reflect.Type {
	t.Helper()
	seen := map[reflect.Type]bool{}
	var types []reflect.Type
	for gvk, typ := range clientgoscheme.Scheme.AllKnownTypes() {
		obj, err := clientgoscheme.Scheme.New(gvk)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := obj.(metav1.Object); ok && !seen[typ] && strings.HasPrefix(typ.PkgPath(), "k8s.io/api/") {
			seen[typ] = true
			types = append(types, typ)
		}
	}
	return types
}

// checkAll calls all functions of this package.
func checkAll(obj, old runtime.Object) {
	Create(obj)
	Update(obj, old)
	UpdateStatus(obj, old)
	switch obj := obj.(type) {
	case *corev1.Pod:
		UpdateEphemeralContainers(obj, old.(*corev1.Pod))
		UpdateResize(obj, old.(*corev1.Pod))
	case *certificatesv1.CertificateSigningRequest:
		UpdateApproval(obj, old.(*certificatesv1.CertificateSigningRequest))
	}
}

// Whatever a client sends may be anything that its type can hold.
func TestRandomObjectsDoNotPanic(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for seed := range int64(3) {
		fill := randfill.NewWithSeed(seed).NilChance([]float64{0.1, 0.5, 0.9}[seed]).NumElements(0, 3).MaxDepth(20).Funcs(
			func(q *resource.Quantity, c randfill.Continue) {
				values := []string{"0", "1", "-1", "100m", "1e18", "-1e18", "1Ei", "1n", "999999999999999999999"}
				*q = resource.MustParse(values[c.Intn(len(values))])
			},
			func(n *intstr.IntOrString, c randfill.Continue) {
				*n = intstr.IntOrString{Type: intstr.Type(c.Intn(3)), IntVal: c.Int31(), StrVal: []string{"", "%", "5%", "http", "101%"}[c.Intn(5)]}
			},
			func(raw *runtime.RawExtension, c randfill.Continue) {
				raw.Raw = [][]byte{nil, []byte("{"), []byte("null"), []byte(`{"a":1}`), []byte("[]")}[c.Intn(5)]
			},
		)
		for _, typ := range allTypes(t) {
			for range rounds {
				obj, old := reflect.New(typ).Interface().(runtime.Object), reflect.New(typ).Interface().(runtime.Object)
				fill.Fill(obj)
				fill.Fill(old)
				func() {
					defer func() {
						if r := recover(); r != nil {
							t.Fatalf("%s, seed %d: %v\n%#v", typ, seed, r, obj)
						}
					}()
					checkAll(obj, old)
					checkAll(obj, obj)
				}()
			}
		}
	}
}

func TestNothingIsRefusedAsInternalError(t *testing.T) {
	var pod *corev1.Pod
	for name, errs := range map[string][]string{
		"no object":        {Create(nil).ToAggregate().Error()},
		"a nil pod":        {Create(pod).ToAggregate().Error()},
		"another type":     {Update(&corev1.Pod{}, &corev1.Node{}).ToAggregate().Error()},
		"no old object":    {UpdateStatus(&corev1.Pod{}, nil).ToAggregate().Error()},
		"no old pod":       {UpdateResize(&corev1.Pod{}, nil).ToAggregate().Error()},
		"no old pod again": {UpdateEphemeralContainers(&corev1.Pod{}, nil).ToAggregate().Error()},
	} {
		if !strings.Contains(errs[0], "Internal error") {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// Objects as large as a request can be, made to take long.
func TestHugeObjectsAreChecked(t *testing.T) {
	// Anything that compares all items with each other takes minutes.
	const patience = 30 * time.Second
	many := func(n int, set func(int)) {
		for i := range n {
			set(i)
		}
	}
	pod := func(change func(*corev1.PodSpec)) *corev1.Pod {
		p := &corev1.Pod{}
		change(&p.Spec)
		return p
	}
	for name, pair := range map[string][2]runtime.Object{
		"containers": {pod(func(s *corev1.PodSpec) {
			s.Containers = make([]corev1.Container, 40_000)
			s.InitContainers = make([]corev1.Container, 40_000)
		}), &corev1.Pod{}},
		"containers in both": {
			pod(func(s *corev1.PodSpec) { s.Containers = make([]corev1.Container, 40_000) }),
			pod(func(s *corev1.PodSpec) { s.Containers = make([]corev1.Container, 40_000) }),
		},
		"tolerations in both": {
			pod(func(s *corev1.PodSpec) {
				s.Tolerations = make([]corev1.Toleration, 60_000)
				many(60_000, func(i int) { s.Tolerations[i].Key = fmt.Sprint(i) })
			}),
			pod(func(s *corev1.PodSpec) {
				s.Tolerations = make([]corev1.Toleration, 60_000)
				many(60_000, func(i int) { s.Tolerations[i].Key = fmt.Sprint(60_000 - i) })
			}),
		},
		"mounts, volumes and variables": {pod(func(s *corev1.PodSpec) {
			s.Volumes = make([]corev1.Volume, 50_000)
			c := corev1.Container{VolumeMounts: make([]corev1.VolumeMount, 50_000), VolumeDevices: make([]corev1.VolumeDevice, 50_000), Env: make([]corev1.EnvVar, 50_000)}
			many(50_000, func(i int) {
				s.Volumes[i].Name, c.VolumeMounts[i].Name, c.VolumeMounts[i].MountPath = fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(i)
				c.VolumeDevices[i].Name = fmt.Sprint(i)
			})
			s.Containers = []corev1.Container{c}
		}), &corev1.Pod{}},
		"claims of a container": {pod(func(s *corev1.PodSpec) {
			c := corev1.Container{Resources: corev1.ResourceRequirements{Claims: make([]corev1.ResourceClaim, 80_000)}}
			many(80_000, func(i int) { c.Resources.Claims[i] = corev1.ResourceClaim{Name: "a", Request: fmt.Sprint(i)} })
			s.Containers = []corev1.Container{c}
		}), &corev1.Pod{}},
		"statuses": {
			&corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: make([]corev1.ContainerStatus, 20_000)}},
			&corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: func() []corev1.ContainerStatus {
				list := make([]corev1.ContainerStatus, 20_000)
				many(20_000, func(i int) { list[i].State.Terminated = &corev1.ContainerStateTerminated{} })
				return list
			}()}},
		},
		"endpoints": {&discoveryv1.EndpointSlice{Endpoints: make([]discoveryv1.Endpoint, 200_000), Ports: make([]discoveryv1.EndpointPort, 100_000)}, &discoveryv1.EndpointSlice{}},
		"ports":     {&corev1.Service{Spec: corev1.ServiceSpec{Ports: make([]corev1.ServicePort, 100_000)}}, &corev1.Service{}},
		"devices": {&resourcev1.ResourceSlice{Spec: resourcev1.ResourceSliceSpec{Devices: make([]resourcev1.Device, 100_000)}},
			&resourcev1.ResourceSlice{Spec: resourcev1.ResourceSliceSpec{Devices: make([]resourcev1.Device, 100_000)}}},
		"counters":            {&resourcev1.ResourceSlice{Spec: resourcev1.ResourceSliceSpec{SharedCounters: make([]resourcev1.CounterSet, 50_000)}}, &resourcev1.ResourceSlice{}},
		"requests of a claim": {&resourcev1.ResourceClaim{Spec: resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: make([]resourcev1.DeviceRequest, 50_000)}}}, &resourcev1.ResourceClaim{}},
		"devices of a claim": {&resourcev1.ResourceClaim{Status: resourcev1.ResourceClaimStatus{Devices: make([]resourcev1.AllocatedDeviceStatus, 50_000),
			ReservedFor: make([]resourcev1.ResourceClaimConsumerReference, 50_000)}}, &resourcev1.ResourceClaim{}},
		"templates": {&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{VolumeClaimTemplates: make([]corev1.PersistentVolumeClaim, 20_000)}}, &appsv1.StatefulSet{}},
		"indexes":   {&batchv1.Job{Status: batchv1.JobStatus{CompletedIndexes: strings.Repeat("1,", 1<<20)}}, &batchv1.Job{}},
		"schedule":  {&batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: strings.Repeat("1,", 500_000) + "1 * * * *"}}, &batchv1.CronJob{}},
		"policies": {&admissionregistrationv1.ValidatingAdmissionPolicy{Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			Validations: func() []admissionregistrationv1.Validation {
				list := make([]admissionregistrationv1.Validation, 40_000)
				many(40_000, func(i int) { list[i].Expression = "object.a == " + fmt.Sprint(i) })
				return list
			}(),
		}}, &admissionregistrationv1.ValidatingAdmissionPolicy{}},
		"a long name": {&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("a.", 700_000)}}, &corev1.ConfigMap{}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			checkAll(pair[0], pair[1])
			if took := time.Since(start); took > patience {
				t.Errorf("It took %v", took)
			}
			if errs := Create(pair[0]); len(errs) > maxProblems {
				t.Errorf("The answer has %d errors", len(errs))
			}
		})
	}
}
