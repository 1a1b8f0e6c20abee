// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
)

const (
	serviceAccountName    = "ServiceAccount"
	defaultServiceAccount = "default"
	// enforceMountable on a service account limits its pods to secrets that it names.
	enforceMountable = "kubernetes.io/enforce-mountable-secrets"
)

// serviceAccounts gives a pod an account, which must exist, with its token and its
// secrets for images.
type serviceAccounts struct {
	*admission.Handler
	objects Objects
}

var (
	_ admission.MutationInterface   = &serviceAccounts{}
	_ admission.ValidationInterface = &serviceAccounts{}
)

// Admit completes a new pod. A mirror pod stays as the kubelet has it.
func (s *serviceAccounts) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || a.GetOperation() != admission.Create || !isOf(a, corev1.Resource("pods")) || isMirror(pod) {
		return nil
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = defaultServiceAccount
	}
	// The older name is always in step.
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
	account, err := s.accountOf(ctx, a, pod)
	if err != nil {
		return err
	}
	if automounts(account, pod) {
		mountToken(pod)
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		pod.Spec.ImagePullSecrets = slices.Clone(account.ImagePullSecrets)
	}
	return nil
}

// Validate refuses a pod whose account does not exist, or that uses a secret that
// its account does not name where that matters.
func (s *serviceAccounts) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok || !isOf(a, corev1.Resource("pods"), "ephemeralcontainers") {
		return nil
	}
	debugs := a.GetSubresource() != ""
	if debugs != (a.GetOperation() == admission.Update) {
		return nil // a pod's account cannot change
	}
	if !debugs && isMirror(pod) {
		if err := checkMirror(pod); err != nil {
			return admission.NewForbidden(a, err)
		}
		return nil
	}
	account, err := s.accountOf(ctx, a, pod)
	if err != nil {
		return err
	}
	if !limitsSecrets(account) {
		return nil
	}
	if debugs {
		pod = &corev1.Pod{Spec: corev1.PodSpec{EphemeralContainers: pod.Spec.EphemeralContainers}}
	}
	if err := checkMountable(account, pod); err != nil {
		return admission.NewForbidden(a, err)
	}
	return nil
}

// limitsSecrets says whether an account limits its pods. What cannot be read does
// not.
func limitsSecrets(account *corev1.ServiceAccount) bool {
	limits, err := strconv.ParseBool(account.Annotations[enforceMountable])
	return err == nil && limits
}

func (s *serviceAccounts) accountOf(ctx context.Context, a admission.Attributes, pod *corev1.Pod) (*corev1.ServiceAccount, error) {
	name := pod.Spec.ServiceAccountName
	if name == "" {
		return nil, admission.NewForbidden(a, fmt.Errorf("no service account specified for pod %s/%s", a.GetNamespace(), pod.Name))
	}
	account, err := s.objects.serviceAccount(ctx, a.GetNamespace(), name)
	if apierrors.IsNotFound(err) {
		err = apierrors.NewNotFound(corev1.Resource("serviceaccount"), name)
	}
	if err != nil {
		return nil, admission.NewForbidden(a, fmt.Errorf("error looking up service account %s/%s: %w", a.GetNamespace(), name, err))
	}
	return account, nil
}

func isMirror(pod *corev1.Pod) bool {
	_, ok := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

// checkMirror keeps kubelets from reaching, by a mirror pod, what they may not
// read.
func checkMirror(pod *corev1.Pod) error {
	if pod.Spec.ServiceAccountName != "" {
		return errors.New("a mirror pod may not reference service accounts")
	}
	for range secretsOf(pod) {
		return errors.New("a mirror pod may not reference secrets")
	}
	for _, v := range pod.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.ServiceAccountToken != nil {
				return errors.New("a mirror pod may not use ServiceAccountToken volume projections")
			}
		}
	}
	return nil
}
